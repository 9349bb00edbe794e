//! What the policies cost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::world::World;
use super::written::pod;
use crate::case::Stage;

const ROUNDS: u32 = 60;
/// Far more than was ever seen, even on a machine that does other things.
const BOUND: Duration = Duration::from_millis(100);

/// How much longer a pod takes by dry-run where it is injected and guarded, and how much of that the API
/// server says it spent on either policy.
pub(crate) async fn latency(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(once(world, true).await);
    }
    let before = [spent(world, "Mutating").await, spent(world, "Validating").await];
    for _ in 0..ROUNDS {
        with.push(once(world, false).await);
    }
    let after = [spent(world, "Mutating").await, spent(world, "Validating").await];
    let [mutating, validating] =
        [0, 1].map(|it| (after[it] - before[it]) / f64::from(ROUNDS) * 1e3);
    let (with, without) = (median(with), median(without));
    assert!(with < without + BOUND, "{with:?} with the policies, {without:?} without");
    assert!(mutating > 0.0 && validating > 0.0, "{mutating}, {validating}");
    format!(
        "{mutating:.2} ms a pod for injecting and {validating:.2} ms for guarding by the API server's own measure; \
         {with:.1?} and, without, {without:.1?} as seen from outside, medians of {ROUNDS}"
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

/// The seconds that the API server spent so far on pods and the like in this kind of policy.
async fn spent(world: &World, kind: &str) -> f64 {
    let metrics = world.kube.raw("/metrics").await;
    let name = format!("name=\"{kind}AdmissionPolicy\",operation=\"CREATE\"");
    let lines = metrics.lines().filter(|line| {
        line.starts_with("apiserver_admission_controller_admission_duration_seconds_sum{")
            && line.contains(&name)
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
