use std::future::poll_fn;
use std::task::Poll;

use tokio::task::yield_now;

use super::*;
use crate::listener::Ends;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn other(last: u8) -> Peer {
    Peer::Other(std::net::Ipv4Addr::new(10, 0, 0, last).into())
}

fn link(peer: Peer) -> Link {
    Link::new(Ends::new(peer, None))
}

fn admin() -> Arc<Connections> {
    let limits = Capacity { connections: 128, kept: true, ..Capacity::default() };
    Arc::new(Connections::new(limits, Gauges::default()))
}

/// What is on the list, to be found again.
fn count(connections: &Connections) -> usize {
    connections.list().open.len()
}

/// How many are being answered.
fn busy(connections: &Connections) -> usize {
    connections.list().open.values().filter(|one| one.phase.doing() == Doing::Ours).count()
}

/// What a connection's stream does: it has been read from, and leaves when it is asked to.
async fn read(phase: &Phase) {
    let mut fresh = true;
    poll_fn(|cx| {
        if std::mem::take(&mut fresh) {
            phase.awaited(cx.waker());
        }
        match phase.is_leaving() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// The first thing that it does, for one that is asked something.
async fn ask(phase: &Phase) {
    poll_fn(|cx| {
        phase.awaited(cx.waker());
        Poll::Ready(())
    })
    .await;
    phase.busy();
}

/// Somebody connects and says nothing, if there is room. How long that took, or that there is none.
async fn connect(connections: &Arc<Connections>, peer: Peer) -> Option<Duration> {
    let begun = Instant::now();
    if !connections.room(peer).await {
        return None;
    }
    connections.spawn(link(peer), |phase| async move { read(&phase).await });
    // So that it is looked at, as it would be.
    yield_now().await;
    Some(begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_silent_crowd_of_the_pods_own_is_over_soon() {
    let connections = admin();
    let begun = Instant::now();
    for _ in 0..4500 {
        assert!(connect(&connections, Peer::Loopback).await.is_some());
    }
    assert!(begun.elapsed() < ms(400), "{:?}", begun.elapsed());
    // Neither the node nor anybody else waits longer than for the last few.
    assert_eq!(connect(&connections, Peer::Host).await, Some(ms(0)));
    assert!(connect(&connections, other(1)).await.unwrap() <= ms(25));
    assert!(connect(&connections, Peer::Loopback).await.unwrap() <= ms(25));
}

#[tokio::test(start_paused = true)]
async fn an_address_beyond_its_share_holds_nobody_up() {
    let connections = admin();
    let begun = Instant::now();
    let placed = |n: usize| {
        let connections = connections.clone();
        async move {
            let mut placed = 0;
            for _ in 0..n {
                placed += usize::from(connect(&connections, other(1)).await.is_some());
            }
            placed
        }
    };
    assert_eq!(placed(4500).await, 30);
    for peer in [Peer::Loopback, Peer::Host, other(2)] {
        assert_eq!(connect(&connections, peer).await, Some(ms(0)));
    }
    assert_eq!((begun.elapsed(), count(&connections)), (ms(0), 33));
    // What it leaves unused it loses, when it wants more.
    tokio::time::sleep(ms(100)).await;
    assert_eq!(placed(1).await, 1);
    yield_now().await;
    assert_eq!(count(&connections), 4);
}

#[tokio::test(start_paused = true)]
async fn who_is_being_answered_keeps_its_place_and_who_asked_before_its_grace_time() {
    let limits = Capacity { connections: 3, ..Capacity::default() };
    let connections = Arc::new(Connections::new(limits, Gauges::default()));
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    connections.spawn(link(Peer::Loopback), |phase| async move {
        ask(&phase).await;
        let _ = gone.await;
    });
    connections.spawn(link(Peer::Loopback), |phase| async move {
        ask(&phase).await;
        assert!(!phase.idle());
        poll_fn(|_| if phase.is_leaving() { Poll::Ready(()) } else { Poll::Pending }).await;
    });
    yield_now().await;
    // Silent ones come and go, ever faster, in the one place that is left.
    let begun = Instant::now();
    for _ in 0..5 {
        assert!(connect(&connections, Peer::Loopback).await.is_some());
    }
    assert!(begun.elapsed() >= ms(100), "{:?}", begun.elapsed());
    assert_eq!(connections.gauges.evicted.get(), 4, "three silent ones, and the idle one");
    assert_eq!(busy(&connections), 1);
    drop(go);
    yield_now().await;
    assert_eq!(busy(&connections), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_makes_answers_the_last_ones() {
    let limits = Capacity { connections: 1, ..Capacity::default() };
    let connections = Arc::new(Connections::new(limits, Gauges::default()));
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    connections.spawn(link(Peer::Loopback), |phase| async move {
        let _ = gone.await;
        assert!(phase.idle(), "somebody waits");
    });
    let waiting = tokio::time::timeout(ms(5000), connections.room(Peer::Loopback)).await;
    assert!(waiting.is_err(), "nobody who is being answered is closed");
    assert!(!connections.is_closing(), "nobody waits any more");
    let waiting = {
        let connections = connections.clone();
        tokio::spawn(async move { connections.room(Peer::Loopback).await })
    };
    tokio::time::sleep(ms(1)).await;
    drop(go);
    assert!(waiting.await.unwrap());
    assert!(!connections.is_closing());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_told_that_it_is_over_is_answered_however_slow_that_is() {
    let limits = Capacity { drain: ms(500), ..Capacity::default() };
    let connections = Arc::new(Connections::new(limits, Gauges::default()));
    let over = Arc::new(Notify::new());
    // A CPU that has time for one answer now and then.
    let cpu = Arc::new(tokio::sync::Mutex::new(()));
    let answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let (over, cpu, answered) = (over.clone(), cpu.clone(), answered.clone());
        connections.spawn(link(Peer::Loopback), |phase| async move {
            ask(&phase).await;
            over.notified().await;
            let _turn = cpu.lock().await;
            tokio::time::sleep(ms(20)).await;
            phase.idle();
            answered.fetch_add(1, Ordering::Relaxed);
        });
    }
    yield_now().await;
    let begun = Instant::now();
    let cut = connections.drain(begun + ms(500), || over.notify_waiters()).await;
    assert_eq!((cut, answered.load(Ordering::Relaxed)), (0, 100));
    assert!(begun.elapsed() >= ms(2500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_is_cut_off_soon() {
    let connections = Arc::new(Connections::new(Capacity::default(), Gauges::default()));
    for _ in 0..3 {
        connections.spawn(link(Peer::Loopback), |phase| async move {
            ask(&phase).await;
            std::future::pending().await
        });
    }
    yield_now().await;
    let begun = Instant::now();
    assert_eq!(connections.drain(begun + ms(500), || {}).await, 3);
    assert!(begun.elapsed() <= ms(1000), "{:?}", begun.elapsed());
}
