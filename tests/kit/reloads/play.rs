//! Rounds of changes, of each kind and in each way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cambist_sidecar::settings::Settings;
use cambist_sidecar::{Config, Running, Surroundings};
use cambist_sim::clock::Machine;

use super::{Kind, Load, Outcome, Stage, Tally, counted, counts};
use crate::volume::Way;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So many changes are in one [round](Play::round).
pub const IN_A_ROUND: usize = Kind::ALL.len() * 2 * 2;

/// A sidecar in this process, whose files are looked at often, and an app that asks it all the time.
#[derive(Debug)]
pub struct Play {
    stage: Stage,
    running: Running,
    admin: SocketAddr,
    load: Arc<Load>,
}

impl Play {
    /// All as it is at first.
    pub async fn begin() -> Self {
        let stage = Stage::new().await;
        let config = Config::read(&Settings::of_env(&stage.env())).expect("it is sound");
        let clock = stage.world().running().sim().clock_of(Machine::Pod).clone();
        let mut around = Surroundings::new(Arc::new(clock));
        around.look_every = LOOK_EVERY;
        let running = cambist_sidecar::start(&config, around).await.expect("it starts");
        let admin = running.admin_address().expect("it tells of itself");
        let load = stage.load(running.addresses()[0]);
        Self { stage, running, admin, load }
    }

    /// Changes each kind of file for the worse and for the better, in each way.
    pub async fn round(&mut self) {
        for kind in Kind::ALL {
            for way in [Way::Swap, Way::Rewrite] {
                let before = counted(self.admin, kind, Outcome::Refused).await;
                self.stage.worse(kind, way);
                counts(self.admin, kind, Outcome::Refused, before).await;
                let before = counted(self.admin, kind, Outcome::Applied).await;
                self.stage.better(kind, way, &self.load);
                let applied = counts(self.admin, kind, Outcome::Applied, before);
                if kind == Kind::Ca {
                    // Those under way end as they began.
                    let cold = async {
                        for _ in 0..5 {
                            self.load.ask_cold().await
                        }
                    };
                    tokio::join!(applied, cold);
                } else {
                    applied.await;
                }
                self.stage.settled(kind, &self.load);
                self.load.ask_cold().await;
            }
        }
    }

    /// Ends it, and tells what the app met with.
    pub async fn end(self) -> Tally {
        let tally = self.load.end();
        assert_eq!(self.running.drain().await, 0, "nobody is cut off");
        tally
    }
}
