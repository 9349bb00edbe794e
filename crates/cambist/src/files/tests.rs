use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::budget::Budget;
use super::*;

#[test]
fn a_file_is_read_up_to_its_bound_and_not_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for (length, good) in [(0, true), (1, true), (4096, true), (4097, false), (100_000, false)] {
        std::fs::write(&path, vec![b'x'; length]).unwrap();
        let read = read_in_time(&path, 4096);
        let fault = FileFault::TooLong { found: length as u64, limit: 4096 };
        assert_eq!(read.map(|content| content.len()), if good { Ok(length) } else { Err(fault) });
    }
}

#[test]
fn what_says_that_it_is_empty_is_read_all_the_same() {
    let path = Path::new("/proc/self/cmdline");
    if let Ok(all) = std::fs::read(path) {
        assert_eq!(*read(path, 1 << 20).unwrap(), all);
        let fault = read(path, 3).unwrap_err();
        assert_eq!(fault, FileFault::TooLong { found: 4, limit: 3 });
    }
}

#[test]
fn a_missing_file_is_looked_for_once_more() {
    for (there_at, found) in [(2, Ok(())), (3, Err(FileFault::Missing))] {
        let mut calls = 0;
        let read = twice_if_missing(|| {
            calls += 1;
            if calls == there_at { Ok(()) } else { Err(FileFault::Missing) }
        });
        assert_eq!((read, calls), (found, 2));
    }
}

#[test]
fn a_start_does_not_wait_for_what_hangs() {
    let (end, hung) = channel();
    let read = in_time(move || {
        let _: Result<(), _> = hung.recv();
    });
    assert_eq!(read, Err(FileFault::Hangs));
    drop(end);
    assert_eq!(in_time::<()>(|| panic!("a defect")), Err(FileFault::ended_early()));
}

/// A process' threads of its own, so that no other test is in the way.
fn budget(patience: Duration) -> &'static Budget {
    Box::leak(Box::new(Budget::new(patience)))
}

/// For what hangs: each test waits for as long several times. What does not hang must be done by then, on a busy
/// machine, too.
const SHORT: Duration = Duration::from_millis(400);

/// Reads that hang until `Sender` is dropped.
async fn hang(budget: &'static Budget, need: Need, path: &str) -> (FileFault, Sender<()>) {
    let (end, hung): (_, Receiver<()>) = channel();
    let read = budget.spend(need, path.as_ref(), move || {
        let _ = hung.recv();
    });
    (read.await.unwrap_err(), end)
}

async fn good(budget: &'static Budget, need: Need, path: &str) -> Result<(), FileFault> {
    budget.spend(need, path.as_ref(), || ()).await
}

#[tokio::test]
async fn a_file_that_hangs_holds_one_thread_and_is_read_again_when_it_does_not() {
    let budget = budget(SHORT);
    let (fault, end) = hang(budget, Need::Ordinary, "/history").await;
    assert_eq!(fault, FileFault::Hangs);
    for _ in 0..5 {
        assert_eq!(good(budget, Need::Ordinary, "/history").await, Err(FileFault::Hangs));
    }
    assert_eq!(good(budget, Need::Ordinary, "/keys").await, Ok(()));
    drop(end);
    assert_eq!(good(budget, Need::Ordinary, "/history").await, Ok(()));
}

#[tokio::test]
async fn whatever_else_hangs_the_projected_token_is_read() {
    let budget = budget(SHORT);
    let mut hung = Vec::new();
    for path in ["/history", "/keys"] {
        hung.push(hang(budget, Need::Ordinary, path).await);
    }
    let (crowded, _) = hang(budget, Need::Ordinary, "/ca.pem").await;
    assert_eq!(crowded, FileFault::Crowded);
    assert_eq!(good(budget, Need::Token, "/token").await, Ok(()));
    // Tokens hang, too, and one thread is left for other work than files.
    let (fault, _end) = hang(budget, Need::Token, "/token").await;
    assert_eq!(fault, FileFault::Hangs);
    assert_eq!(good(budget, Need::Token, "/other").await, Err(FileFault::Crowded));
    drop(hung);
    assert_eq!(good(budget, Need::Token, "/other").await, Ok(()));
}

#[tokio::test]
async fn a_defect_in_a_reader_is_a_fault_and_leaves_its_thread() {
    let budget = budget(Duration::from_secs(60));
    for _ in 0..5 {
        let read = budget.spend::<()>(Need::Token, "/token".as_ref(), || panic!("a defect"));
        assert_eq!(read.await, Err(FileFault::ended_early()));
    }
    assert_eq!(good(budget, Need::Token, "/token").await, Ok(()));
}
