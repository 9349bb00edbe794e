//! Files that change again and again while an app asks.

use kit::reloads::{IN_A_ROUND, Play};
use tokio::runtime::Handle;

use crate::process::kilobytes;
use crate::scenario::{Bound, Figure, Found};

/// At least so many changes.
const CHANGES: usize = 200;

/// 200 changes, of each kind of file, for the better and for the worse, under 500 requests a second. The sidecar is
/// in this process, with all that it is tried by: the program takes no word for how often it looks.
pub(crate) async fn two_hundred() -> Found {
    // On this thread alone: the compiler cannot tell that it may go to another.
    tokio::task::block_in_place(|| Handle::current().block_on(changes()))
}

async fn changes() -> Found {
    let mut play = Play::begin().await;
    let rounds = CHANGES.div_ceil(IN_A_ROUND) + 1;
    let mut taken = Vec::new();
    for _ in 0..rounds {
        play.round().await;
        let id = rustix::process::getpid();
        taken.push((kilobytes(id, "status", "VmRSS").unwrap(), tasks()));
    }
    let tally = play.end().await;
    tally.faults.iter().for_each(|fault| println!("    {fault}"));
    let half = &taken[rounds / 2];
    let end = &taken[rounds - 1];
    Ok(vec![
        Figure::count("changes", rounds * IN_A_ROUND).must(Bound::AtLeast(CHANGES as f64)),
        Figure::count("requests a second", tally.each_second as usize),
        Figure::count("answers", tally.answered),
        Figure::count("wrong or no answers", tally.faults.len()).must(Bound::Exactly(0.0)),
        Figure::memory("resident, after half of them", half.0),
        Figure::memory("more after all of them", end.0.saturating_sub(half.0))
            .must(Bound::AtMost(1.0)),
        Figure::count("tasks, more than after half of them", end.1.saturating_sub(half.1))
            .must(Bound::AtMost(2.0)),
    ])
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
