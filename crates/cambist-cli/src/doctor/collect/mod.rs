//! Looking, without judging. What does not depend on each other is looked at at the same time, and nothing is
//! waited for longer than said, so that a dead network costs seconds.

use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::scope::Resource;
use tokio::time::timeout;

use super::facts::Facts;
use super::place::{NothingToDo, Place};
use super::settings::{self, Settings};
use crate::cli::doctor::Doctor;
use crate::world::World;

mod app;
mod exchange;
mod issuer;
mod peer;
mod progress;
mod setup;
mod shown;
mod sidecar;
mod token;
mod workload;

use progress::Progress;

/// Looks at everything that there is here.
pub(super) async fn collect(args: &Doctor, world: &mut World<'_>) -> Result<Facts, NothingToDo> {
    // What writes over its line needs a terminal that can.
    let dumb = world.env.get("TERM").is_some_and(|term| term == "dumb");
    let progress = Progress::new(world.progress.take().filter(|_| !dumb));
    let world = &*world;
    let resource = Resource::parse(args.resource.as_str());
    let resource = resource.map_err(|error| NothingToDo::Resource(error.to_string()))?;
    let settings = Settings::new(args, world.env);
    let mut place = Place::find(args, &settings);
    let (workload, app, sidecar) = tokio::join!(
        async {
            match place.workload {
                // So large that it would not fit a thread's stack beside the others.
                true => {
                    let work = workload::collect(args, &settings, world, &resource, &progress);
                    Some(Box::pin(work).await)
                }
                false => None,
            }
        },
        async {
            match place.app {
                true => Some(app::collect(args, &settings, &progress).await),
                false => None,
            }
        },
        sidecar::collect(args, &settings, &progress),
    );
    progress.end();
    let sidecar = match sidecar? {
        sidecar::Found::There(sidecar) => Some(sidecar),
        sidecar::Found::Nobody(words) => {
            place.left_out.push(words);
            None
        }
    };
    let (mut workload, mut app) = (workload, app);
    let bare = workload.as_ref().is_some_and(|it| it.unprepared && it.in_pod) && place.is_bare;
    if bare && sidecar.as_ref().is_some_and(|sidecar| sidecar.ready.is_ok()) {
        place.turns_out_beside_an_app();
        (workload, app) = (None, Some(app::collect(args, &settings, &progress).await));
    }
    if workload.is_none() && app.is_none() && sidecar.is_none() {
        return Err(NothingToDo::Nowhere);
    }
    let environment = settings::environment(&settings);
    Ok(Facts { place, environment, workload, app, sidecar })
}

/// What work brings, or none if that takes longer.
async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(time, work).await.ok()
}

/// A server's words, quoted and cut.
fn quoted(text: &str) -> String {
    Foreign::new(text).to_string()
}
