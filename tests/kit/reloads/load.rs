//! An app that asks all the time, and looks closely at what it gets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cambist_sim::Sim;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::{BOTH, POLICIES};
use crate::http::Connection;
use crate::{Reply, Request};

/// How many connections there are; each asks this often.
const CONNECTIONS: u32 = 4;
const EVERY: Duration = Duration::from_millis(8);

/// After so many faults nobody needs any more.
const ENOUGH: usize = 10;

/// An app that asks 500 times a second until it is [ended](Load::end).
#[derive(Debug)]
pub struct Load {
    at: SocketAddr,
    sim: Sim,
    secret: Mutex<String>,
    /// Twice the number of changes that there were, and one more during the next.
    policy: AtomicUsize,
    tally: Mutex<Tally>,
    /// Whose each token is that was seen, and what for.
    tokens: Mutex<HashMap<String, [String; 4]>>,
    cold: AtomicUsize,
    began: Instant,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What an app met with.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many requests were answered.
    pub answered: usize,
    /// What was wrong, in words: an answer that is none of one policy, or that is none at all.
    pub faults: Vec<String>,
    /// How many were answered in a second.
    pub each_second: f64,
}

impl Load {
    pub(super) fn start(at: SocketAddr, sim: Sim, secret: String) -> Arc<Self> {
        let load = Arc::new(Self {
            at,
            sim,
            secret: Mutex::new(secret),
            policy: AtomicUsize::new(0),
            tally: Mutex::default(),
            tokens: Mutex::default(),
            cold: AtomicUsize::new(0),
            began: Instant::now(),
            tasks: Mutex::default(),
        });
        let tasks = (0..CONNECTIONS).map(|_| tokio::spawn(Arc::clone(&load).ask_on()));
        locked(&load.tasks).extend(tasks);
        load
    }

    /// Ends it.
    pub fn end(&self) -> Tally {
        locked(&self.tasks).drain(..).for_each(|task| task.abort());
        let mut tally = locked(&self.tally).clone();
        tally.each_second = tally.answered as f64 / self.began.elapsed().as_secs_f64();
        tally
    }

    /// From now on either policy may hold.
    pub(super) fn policy_changes(&self) {
        self.policy.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on this one holds.
    pub(super) fn policy_is(&self, turn: usize) {
        self.policy.fetch_add(1, Ordering::SeqCst);
        assert_eq!(holding(self.policy.load(Ordering::SeqCst)), Some(turn), "they take turns");
    }

    /// From now on this secret is shown.
    pub(super) fn secret_is(&self, secret: String) {
        *locked(&self.secret) = secret;
    }

    /// Asks for what nobody asked for yet, so that Entra is asked. No policy may change meanwhile.
    pub async fn ask_cold(&self) {
        let number = self.cold.fetch_add(1, Ordering::SeqCst);
        let mut connection = Connection::open(self.at).await.expect("it listens");
        self.ask(&mut connection, &format!("https://n{number}.cold.test")).await;
    }

    async fn ask_on(self: Arc<Self>) {
        let mut connection = Connection::open(self.at).await.expect("it listens");
        let mut ticks = tokio::time::interval(EVERY);
        // What should have been asked meanwhile is asked then.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let resources = [BOTH, POLICIES[0].2, BOTH, POLICIES[1].2];
        for resource in resources.iter().cycle() {
            ticks.tick().await;
            if !self.ask(&mut connection, resource).await {
                return;
            }
        }
    }

    /// Whether there is any use in going on.
    async fn ask(&self, connection: &mut Connection, resource: &str) -> bool {
        let target = format!("/msi/token?api-version=2019-08-01&resource={resource}");
        let secret = locked(&self.secret).clone();
        let request = Request::get(target).header("Host", self.at.to_string());
        let request = request.header("X-IDENTITY-HEADER", secret);
        let before = self.policy.load(Ordering::SeqCst);
        connection.send(&request.bytes()).await;
        let reply = connection.receive().await;
        let after = self.policy.load(Ordering::SeqCst);
        let holds = holding(before).filter(|_| before == after);
        let judged = match &reply {
            Some(reply) => self.judge(reply, resource, holds),
            None => Err("no answer".to_owned()),
        };
        let mut tally = locked(&self.tally);
        tally.answered += usize::from(reply.is_some());
        if let Err(fault) = judged {
            tally.faults.push(format!("{resource}, policy {holds:?}: {fault}"));
        }
        reply.is_some() && tally.faults.len() < ENOUGH
    }

    /// Whether an answer is of one policy, and of the one that holds if that is known.
    fn judge(&self, reply: &Reply, resource: &str, holds: Option<usize>) -> Result<(), String> {
        let of_one = POLICIES.iter().position(|it| it.2 == resource);
        if reply.status == 403 && reply.reason() == "policy_denied" && of_one.is_some() {
            let may = holds.is_some() && holds == of_one;
            return if may { Err(format!("{reply:?}")) } else { Ok(()) };
        }
        if reply.status != 200 {
            return Err(format!("{reply:?}"));
        }
        let token = reply.member("access_token");
        let [tenant, client_id, object_id, audience] = self.told_by(token)?;
        let turn = POLICIES.iter().position(|it| (it.0, it.1) == (&tenant, &client_id));
        let Some(turn) = turn else { return Err(format!("a token of {client_id} in {tenant}")) };
        let whose = self.sim.entra().object_id_in(&tenant, &client_id);
        let told = [reply.member("client_id"), reply.member("resource"), audience, object_id];
        let due = [client_id.as_str(), resource, resource, whose.as_deref().unwrap_or_default()];
        if told != due {
            return Err(format!("{told:?} where {due:?} is due"));
        }
        if holds.is_some_and(|holds| holds != turn) || of_one.is_some_and(|of| of != turn) {
            return Err(format!("a token by policy {turn}"));
        }
        Ok(())
    }

    /// Tenant, client, its principal and the audience of a token that Entra granted.
    fn told_by(&self, token: String) -> Result<[String; 4], String> {
        if let Some(known) = locked(&self.tokens).get(&token) {
            return Ok(known.clone());
        }
        let claims = self.sim.entra().granted(&token).ok_or("Entra granted no such token")?;
        let told = ["tid", "appid", "oid", "aud"]
            .map(|name| claims[name].as_str().unwrap_or_default().to_owned());
        let mut tokens = locked(&self.tokens);
        // Those of long ago do not come again.
        if tokens.len() >= 100 {
            tokens.clear();
        }
        tokens.insert(token, told.clone());
        Ok(told)
    }
}

/// Which policy holds after so many changes, each counted when it begins and when it ends.
fn holding(changes: usize) -> Option<usize> {
    changes.is_multiple_of(2).then_some(changes / 2 % 2)
}

fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
