use std::sync::Arc;
use std::time::Duration;

use cambist_core::clock::BootTime;
use proptest::prelude::*;
use tokio::time::sleep;

use super::one::{Boarding, Flight, Place};

const START: BootTime = BootTime::from_origin(Duration::from_secs(7));

fn join<W>(flight: &Arc<Flight<u32>>, work: W) -> super::Joined<u32>
where
    W: Future<Output = u32> + Send + 'static,
{
    flight.join(START, || None, || work)
}

#[tokio::test(start_paused = true)]
async fn who_leaves_cancels_nothing() {
    let flight = Arc::new(Flight::new());
    drop(join(&flight, async {
        sleep(Duration::from_secs(1)).await;
        1
    }));
    assert!(flight.is_under_way());
    assert_eq!(join(&flight, async { 2 }).outcome().await, Some(1));
    assert!(!flight.is_under_way());
    assert_eq!(join(&flight, async { 3 }).outcome().await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_flight_and_not_the_place() {
    let flight = Arc::new(Flight::new());
    let lost = join(&flight, async { panic!("as the test says") });
    let (first, second) = (lost.outcome(), join(&flight, async { 1 }).outcome());
    assert_eq!(tokio::join!(first, second), (None, None));
    assert_eq!(join(&flight, async { 2 }).outcome().await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_makes_a_flight_needless() {
    let flight = Arc::new(Flight::new());
    let joined = flight.join(START, || Some(7), || async { panic!("not needed") });
    assert_eq!((joined.outcome().await, flight.is_under_way()), (Some(7), false));
}

#[tokio::test(start_paused = true)]
async fn patience_is_measured_from_the_flights_start() {
    let flight = Arc::new(Flight::new());
    let second = Duration::from_secs(1);
    let hang = || join(&flight, std::future::pending());
    for (late_ms, waits_ms) in [(0, 1000), (400, 600), (1000, 0), (60_000, 0)] {
        let began = tokio::time::Instant::now();
        let now = START + Duration::from_millis(late_ms);
        assert_eq!(hang().outcome_within(second, now).await, None);
        assert_eq!(began.elapsed(), Duration::from_millis(waits_ms));
    }
}

/// The work is dropped by the very call that hands it over.
#[test]
fn a_runtime_that_has_ended_is_no_deadlock() {
    let flight = Arc::new(Flight::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = runtime.handle().clone();
    runtime.shutdown_timeout(Duration::from_secs(10));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _inside = handle.enter();
        drop(join(&flight, async { 1 }));
        tell.send(flight.is_under_way())
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(false));
}

/// What may happen at a place.
#[derive(Clone, Copy, Debug)]
enum Step {
    Board,
    BoardKnowing(u8),
    Clear,
}

proptest! {
    #[test]
    fn a_place_has_one_flight_and_asks_what_is_known_only_without_one(
        steps in proptest::collection::vec(
            prop_oneof![
                Just(Step::Board),
                any::<u8>().prop_map(Step::BoardKnowing),
                Just(Step::Clear),
            ],
            0..60,
        )
    ) {
        let mut place = Place::EMPTY;
        let mut flights = 0_usize;
        let mut under_way = None;
        for (at, step) in steps.into_iter().enumerate() {
            let now = START + Duration::from_secs(at as u64);
            let known = match step {
                Step::Clear => {
                    place.clear();
                    under_way = None;
                    continue;
                }
                Step::Board => None,
                Step::BoardKnowing(known) => Some(known),
            };
            let mut asked = false;
            let boarding = place.board(now, || { asked = true; known }, || { flights += 1; flights });
            prop_assert_eq!(asked, under_way.is_none());
            match (boarding, under_way, known) {
                (Boarding::Joined(joined), Some(flight), _) => {
                    prop_assert_eq!((joined.told, joined.began), flight);
                }
                (Boarding::Known(told), None, Some(known)) => prop_assert_eq!(told, known),
                (Boarding::Began(began), None, None) => {
                    prop_assert_eq!((began.told, began.began), (flights, now));
                    under_way = Some((flights, now));
                }
                wrong => prop_assert!(false, "{:?}", wrong),
            }
        }
    }
}
