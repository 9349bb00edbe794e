//! What the policies cost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::pods::pod;
use super::world::World;
use crate::case::Stage;

const ROUNDS: usize = 60;
/// Far more than was ever seen, even on a machine that does other things.
const BOUND: Duration = Duration::from_millis(100);

/// How much longer a pod takes by dry-run where it is injected and guarded.
pub(crate) async fn latency(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(once(world, false).await);
        without.push(once(world, true).await);
    }
    let (with, without) = (median(with), median(without));
    assert!(with < without + BOUND, "{with:?} with the policies, {without:?} without");
    format!(
        "a pod takes {with:.1?} with the policies and {without:.1?} without, medians of {ROUNDS}"
    )
}

async fn once(world: &World, twin: bool) -> Duration {
    let pod = pod("several-apps");
    let started = Instant::now();
    let answer = world.ask(&pod, twin).await;
    let took = started.elapsed();
    answer.json();
    took
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
