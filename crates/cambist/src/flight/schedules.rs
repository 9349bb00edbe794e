//! Flights under every order of steps that shuttle comes upon: no double start, no lost wake-up, no
//! deadlock. The code is that of `one.rs`, on shuttle's lock and executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cambist_core::clock::BootTime;
use shuttle::future::{block_on, yield_now};
use shuttle::sync::Mutex;
use shuttle::thread;

#[path = "one.rs"]
#[expect(clippy::duplicate_mod, dead_code, reason = "the same code, on other primitives")]
mod one;

use one::Flight;

mod primitives {
    use shuttle::rand::{Rng as _, thread_rng};
    pub(super) use shuttle::sync::atomic::AtomicBool;
    pub(super) use shuttle::sync::{Mutex, MutexGuard};

    /// Every fourth work is dropped before its end, as by a panic or a runtime that goes.
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        let lost = thread_rng().gen_ratio(1, 4);
        shuttle::future::spawn(async move {
            let mut work = Box::pin(work);
            match lost {
                true => drop(futures_util::poll!(work.as_mut())),
                false => work.await,
            }
        });
    }
}

/// Tries a few thousand schedules, or as many as somebody has the time for.
fn under_every_schedule(scene: impl Fn() + Send + Sync + 'static) {
    #[expect(clippy::disallowed_methods, reason = "there is no other way to ask a test for more")]
    let asked = std::env::var("CAMBIST_SCHEDULES");
    let schedules = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let scene = Arc::new(scene);
    let again = scene.clone();
    shuttle::check_random(move || scene(), schedules / 2);
    // Orders with few switches, in which the rare ones are likelier.
    shuttle::check_pct(move || again(), schedules / 2, 3);
}

/// What the flights of one scene do and leave.
struct Scene {
    flight: Arc<Flight<u32>>,
    stored: Mutex<Option<u32>>,
    running: AtomicBool,
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Scene {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flight: Arc::new(Flight::new()),
            stored: Mutex::new(None),
            running: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
        })
    }

    /// Waits for a flight, through those that are lost. `known` is what makes one needless.
    fn board(self: &Arc<Self>, known: impl Fn() -> Option<u32>) -> u32 {
        loop {
            let joined = self.flight.join(BootTime::default(), &known, || self.clone().work());
            if let Some(outcome) = block_on(joined.outcome()) {
                return outcome;
            }
        }
    }

    fn stored(&self) -> Option<u32> {
        *self.stored.lock().unwrap()
    }

    async fn work(self: Arc<Self>) -> u32 {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(!self.running.swap(true, Ordering::SeqCst), "two flights at once");
        // Also when it is dropped on its way.
        let running = Running(self.clone());
        yield_now().await;
        *self.stored.lock().unwrap() = Some(number);
        self.ended.fetch_add(1, Ordering::SeqCst);
        drop(running);
        number
    }
}

struct Running(Arc<Scene>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::SeqCst);
    }
}

fn at_once(readers: impl IntoIterator<Item = Box<dyn FnOnce() + Send>>) {
    let readers: Vec<_> = readers.into_iter().map(thread::spawn).collect();
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn however_many_come_it_is_done_once() {
    under_every_schedule(|| {
        let scene = Scene::new();
        let reader = |scene: &Arc<Scene>| -> Box<dyn FnOnce() + Send> {
            let scene = scene.clone();
            Box::new(move || assert_eq!(Some(scene.board(|| scene.stored())), scene.stored()))
        };
        let leaver = scene.clone();
        let leaves: Box<dyn FnOnce() + Send> = Box::new(move || {
            let stored = || leaver.stored();
            drop(leaver.flight.join(BootTime::default(), stored, || leaver.clone().work()));
        });
        at_once([reader(&scene), leaves, reader(&scene), reader(&scene)]);
        assert_eq!(scene.ended.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn whoever_hears_how_one_ended_never_waits_for_that_one_again() {
    under_every_schedule(|| {
        let scene = Scene::new();
        at_once((0..3).map(|_| -> Box<dyn FnOnce() + Send> {
            let scene = scene.clone();
            Box::new(move || {
                let first = scene.board(|| None);
                let second = scene.board(|| None);
                assert!(second > first, "{second} after {first}");
            })
        }));
        assert!(!scene.flight.is_under_way());
    });
}
