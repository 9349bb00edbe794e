use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use cambist_core::clock::{Clock, UnixTime};
use cambist_core::refresh::Jitter;
use cambist_core::secret::Secret;
use cambist_sim::clock::SimClock;
use tokio::time::{Instant, sleep};

use super::shelf::IN_USE;
use super::*;
use crate::observer::{Observer, Unobserved};
use crate::reason::Reason;
use crate::receipt::{Moment, Receipt};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What the next fetches do; the last step is repeated.
#[derive(Clone, Copy, Debug)]
enum Step {
    Give { after: Duration, life: Duration },
    Fail,
    Hang,
    Panic,
}

#[derive(Debug)]
struct Script {
    clock: SimClock,
    steps: Mutex<VecDeque<Step>>,
    calls: AtomicU32,
}

impl Maker for Script {
    fn fetch<'a>(&'a self, _scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let mut steps = self.steps.lock().unwrap();
        let step = if steps.len() > 1 { steps.pop_front() } else { steps.front().copied() };
        let asked = Moment { wall: self.clock.wall(), boot: self.clock.boot() };
        async move {
            match step.unwrap() {
                Step::Give { after, life } => {
                    sleep(after).await;
                    let secret = Secret::new(format!("token-{call}"));
                    let receipt = Receipt::unexchanged(&secret, asked, asked);
                    Ok(AccessToken::new(secret, life, None, receipt))
                }
                Step::Fail => Err(Error::new(Kind::Lost)),
                Step::Hang => std::future::pending().await,
                Step::Panic => panic!("as the script says"),
            }
        }
        .boxed()
    }
}

struct Bench {
    cache: Arc<Cache>,
    script: Arc<Script>,
    clock: SimClock,
}

const HOUR: Step = Step::Give { after: Duration::ZERO, life: secs(3600) };

fn bench(steps: impl Into<VecDeque<Step>>) -> Bench {
    bench_told(steps, Arc::new(Unobserved))
}

fn bench_told(steps: impl Into<VecDeque<Step>>, observer: Arc<dyn Observer>) -> Bench {
    let clock = SimClock::starting_at(UnixTime::from_secs(1_795_407_225));
    let (steps, calls) = (Mutex::new(steps.into()), AtomicU32::new(0));
    let script = Arc::new(Script { clock: clock.clone(), steps, calls });
    let context = Context { clock: Arc::new(clock.clone()), observer, jitter: Jitter::of(b"pod") };
    let cache = Arc::new(Cache::new(Principal::developer(), script.clone(), context));
    Bench { cache, script, clock }
}

impl Bench {
    fn calls(&self) -> u32 {
        self.script.calls.load(Ordering::SeqCst)
    }

    async fn get(&self, name: &str) -> Result<String, Error> {
        let token = self.cache.get(&scope(name), Duration::ZERO).await.outcome?;
        Ok(token.secret().expose().to_owned())
    }

    fn peek(&self, name: &str) -> Option<String> {
        self.cache.peek(name).map(|token| token.secret().expose().to_owned())
    }
}

fn scope(name: &str) -> Scope {
    Scope::parse(&format!("{name}/.default")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_cause_one_fetch() {
    let bench = bench([Step::Give { after: secs(1), life: secs(3600) }]);
    let readers = (0..1000).map(|_| bench.get("a"));
    let answers = futures_util::future::join_all(readers).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == "token-1"));
    assert_eq!((bench.calls(), bench.peek("a").as_deref()), (1, Some("token-1")));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_cancels_nothing() {
    let bench = bench([Step::Give { after: secs(2), life: secs(3600) }]);
    assert!(tokio::time::timeout(secs(1), bench.get("a")).await.is_err());
    sleep(secs(2)).await;
    assert_eq!((bench.calls(), bench.peek("a").as_deref()), (1, Some("token-1")));
}

#[tokio::test(start_paused = true)]
async fn twenty_cold_scopes_take_as_long_as_one_and_a_hung_one_delays_nobody() {
    let slow = Step::Give { after: Duration::from_millis(100), life: secs(3600) };
    let bench = bench([Step::Hang, slow]);
    let cache = bench.cache.clone();
    let hung = tokio::spawn(async move { cache.get(&scope("hung"), Duration::ZERO).await.outcome });
    tokio::task::yield_now().await;
    let started = Instant::now();
    let names: Vec<_> = (0..20).map(|n| format!("s{n}")).collect();
    let all = futures_util::future::join_all(names.iter().map(|name| bench.get(name))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(started.elapsed(), Duration::from_millis(100));
    assert!(bench.peek("s7").is_some() && bench.get("s7").await.is_ok());
    assert_eq!(started.elapsed(), Duration::from_millis(100));
    assert!(!hung.is_finished());
    hung.abort();
}

#[tokio::test(start_paused = true)]
async fn a_due_token_is_answered_at_once_and_refreshed_behind_the_readers_back() {
    let bench = bench([HOUR, Step::Give { after: secs(5), life: secs(3600) }]);
    bench.get("a").await.unwrap();
    sleep(secs(2570)).await;
    assert_eq!(bench.peek("a").as_deref(), Some("token-1"));
    assert_eq!(bench.calls(), 1, "not due before 2580 s");
    sleep(secs(380)).await;
    for _ in 0..50 {
        assert_eq!(bench.peek("a").as_deref(), Some("token-1"));
    }
    sleep(secs(6)).await;
    assert_eq!((bench.calls(), bench.peek("a").as_deref()), (2, Some("token-2")));
}

#[tokio::test(start_paused = true)]
async fn a_held_token_outlives_every_failure_until_its_true_end() {
    let bench = bench([HOUR, Step::Fail]);
    bench.get("a").await.unwrap();
    sleep(secs(2940)).await;
    let start = Instant::now();
    // Readers all the while: through the refresh window, past the floor, to the last second.
    while start.elapsed() < secs(659) {
        let answer = match bench.peek("a") {
            Some(token) => token,
            None => bench.get("a").await.unwrap(),
        };
        assert_eq!(answer, "token-1");
        sleep(secs(1)).await;
    }
    assert!(bench.calls() < 25, "{} tries in 11 minutes", bench.calls());
    sleep(secs(1)).await;
    assert!(bench.peek("a").is_none() && bench.get("a").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn below_the_floor_a_reader_waits_a_second_for_the_refresh_and_no_more() {
    let bench = bench([HOUR, Step::Give { after: secs(3), life: secs(3600) }]);
    bench.get("a").await.unwrap();
    sleep(secs(3350)).await;
    assert!(bench.peek("a").is_none());
    let started = Instant::now();
    assert_eq!(bench.get("a").await.unwrap(), "token-1");
    assert_eq!(started.elapsed(), PATIENCE);
    sleep(secs(3)).await;
    assert_eq!((bench.peek("a").as_deref(), bench.calls()), (Some("token-2"), 2));
}

#[tokio::test(start_paused = true)]
async fn while_a_refresh_hangs_its_first_second_is_all_that_anybody_waits() {
    let bench = bench([HOUR, Step::Hang]);
    bench.get("a").await.unwrap();
    sleep(secs(3350)).await;
    let mut waits = Vec::new();
    for _ in 0..127 {
        let started = Instant::now();
        assert_eq!(bench.get("a").await.unwrap(), "token-1");
        waits.push(started.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    let waited: Vec<_> = waits.into_iter().filter(|wait| !wait.is_zero()).collect();
    assert_eq!(waited, [PATIENCE]);
    assert_eq!(bench.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_and_forgotten() {
    let bench = bench([Step::Fail, Step::Fail, HOUR]);
    let waiters = (0..50).map(|_| bench.get("a"));
    let answers = futures_util::future::join_all(waiters).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(bench.calls(), 1);
    let error = bench.get("a").await.unwrap_err();
    assert_eq!(bench.calls(), 1);
    sleep(error.retry_after().unwrap()).await;
    let second = bench.get("a").await.unwrap_err();
    assert_eq!(bench.calls(), 2);
    assert!(second.retry_after().unwrap() > error.retry_after().unwrap());
    sleep(second.retry_after().unwrap()).await;
    assert_eq!(bench.get("a").await.unwrap(), "token-3");
    assert!(bench.cache.contents()[0].failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_not_the_end() {
    let bench = bench([Step::Panic, HOUR]);
    assert_eq!(bench.get("a").await.unwrap_err().reason().as_str(), "internal");
    assert_eq!(bench.get("a").await.unwrap(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_more_life_gets_a_fresher_token_but_not_before_half_life() {
    let bench = bench([HOUR]);
    let a = scope("a");
    let get = async |ttl| bench.cache.get(&a, secs(ttl)).await.outcome;
    let name = |token: Arc<AccessToken>| token.secret().expose().to_owned();
    assert_eq!(name(get(3600).await.unwrap()), "token-1");
    sleep(secs(1000)).await;
    assert_eq!(name(get(3500).await.unwrap()), "token-1");
    sleep(secs(1000)).await;
    assert_eq!(name(get(1500).await.unwrap()), "token-1");
    assert_eq!(name(get(1700).await.unwrap()), "token-2");
}

#[tokio::test(start_paused = true)]
async fn sleep_of_the_machine_counts_and_the_wall_clock_does_not() {
    let bench = bench([HOUR]);
    bench.get("a").await.unwrap();
    bench.clock.skew(365 * 86_400);
    assert!(bench.peek("a").is_some());
    bench.clock.skew(-365 * 86_400);
    assert!(bench.peek("a").is_some());
    bench.clock.advance(secs(3601));
    assert!(bench.peek("a").is_none());
    assert_eq!(bench.get("a").await.unwrap(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_scopes_are_the_most_and_tokenless_ones_go_first() {
    let bench = bench([HOUR, Step::Fail, HOUR]);
    bench.cache.pin([scope("pinned")]);
    bench.get("kept").await.unwrap();
    bench.get("failed").await.unwrap_err();
    for n in 0..MAX_SCOPES {
        bench.get(&format!("s{n}")).await.unwrap();
        sleep(secs(1)).await;
    }
    let names: Vec<_> =
        bench.cache.contents().iter().map(|e| e.scope.resource().to_owned()).collect();
    assert_eq!(names.len(), MAX_SCOPES);
    assert!(names.contains(&"pinned".to_owned()));
    assert!(!names.contains(&"failed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_new_scopes_displaces_nothing_in_use_and_is_slowed_down() {
    let bench = bench([HOUR]);
    bench.get("used").await.unwrap();
    sleep(secs(1)).await;
    assert!(bench.peek("used").is_some());
    for n in 0..3000 {
        let _ = bench.get(&format!("flood{n}")).await;
        assert_eq!(bench.peek("used").as_deref(), Some("token-1"));
    }
    let taken = bench.calls();
    assert!((MAX_SCOPES as u32 - 100..=MAX_SCOPES as u32).contains(&taken), "{taken}");
    // Who comes back gets in, one after the other, and some of the flood goes for it.
    for n in 0..200 {
        let good = format!("good{n}");
        let turned_away = bench.get(&good).await.unwrap_err();
        assert_eq!(turned_away.reason(), Reason::TooManyScopes);
        sleep(turned_away.retry_after().unwrap()).await;
        // The flood takes what the second has earned.
        let _ = bench.get(&format!("flood-more{n}")).await;
        bench.get(&good).await.unwrap();
        assert!(bench.peek(&good).is_some() && bench.peek("used").is_some());
        sleep(secs(1)).await;
        let _ = bench.get(&format!("flood-again{n}")).await;
    }
    assert_eq!(bench.cache.contents().len(), MAX_SCOPES);
}

#[tokio::test(start_paused = true)]
async fn what_everybody_comes_back_for_is_not_displaced() {
    let bench = bench([HOUR]);
    let names: Vec<_> = (0..MAX_SCOPES).map(|n| format!("s{n}")).collect();
    for name in &names {
        while bench.get(name).await.is_err() {
            sleep(secs(1)).await;
        }
    }
    sleep(secs(1)).await;
    assert!(names.iter().all(|name| bench.peek(name).is_some()));
    sleep(secs(1)).await;
    bench.get("new").await.ok();
    assert_eq!(bench.get("new").await.unwrap_err().reason(), Reason::CacheFull);
    sleep(IN_USE).await;
    assert!(bench.get("new").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_success_ends_the_pauses_of_what_failed_before() {
    let bench = bench([Step::Fail, Step::Fail, Step::Fail, HOUR]);
    for _ in 0..3 {
        let error = bench.get("a").await.unwrap_err();
        sleep(error.retry_after().unwrap()).await;
    }
    bench.get("b").await.unwrap();
    sleep(Duration::from_millis(2)).await;
    assert!(bench.get("a").await.is_ok());
    assert_eq!(bench.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_pinned_is_fetched_unasked_and_what_is_idle_is_forgotten() {
    let bench = bench([HOUR]);
    bench.cache.pin([scope("p")]);
    assert_eq!(bench.cache.pinned(), [scope("p")]);
    bench.get("idle").await.unwrap();
    for _ in 0..2400 {
        bench.cache.tend();
        sleep(secs(5)).await;
    }
    assert!(bench.cache.held(&scope("p")).is_some());
    assert_eq!(bench.cache.contents().len(), 1);
    // 12 000 s at one refresh in some 2 600 to 2 940 s, and the one for the idle scope.
    assert!((5..=6).contains(&bench.calls()), "{}", bench.calls());
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_of_like_any_other() {
    #[derive(Debug, Default)]
    struct Failures(Mutex<Vec<Reason>>);
    impl Observer for Failures {
        fn event(&self, event: &Event<'_>) {
            let Event::Served(Served { outcome: Err(error), how, .. }) = event else { return };
            assert_eq!(*how, ServedHow::Failed);
            self.0.lock().unwrap().push(error.reason());
        }
    }
    let failures = Arc::new(Failures::default());
    let bench = bench_told([HOUR], failures.clone());
    let mut refused = 0;
    for n in 0..2 * MAX_SCOPES {
        refused += usize::from(bench.get(&format!("api://{n}")).await.is_err());
    }
    assert!(refused > 0);
    assert_eq!(*failures.0.lock().unwrap(), vec![Reason::TooManyScopes; refused]);
}

/// Two caches that share room for ten.
fn two_in_one_room() -> [Bench; 2] {
    let room = Room::of(10);
    [(); 2].map(|()| {
        let bench = bench([HOUR]);
        let context = bench.cache.context.clone();
        let (maker, principal) = (bench.script.clone(), Principal::developer());
        let cache = Arc::new(Cache::within(&room, principal, maker, context));
        Bench { cache, ..bench }
    })
}

impl Bench {
    /// Asks for scopes of these names, again in another second.
    async fn comes_back_for(&self, names: impl Iterator<Item = String> + Clone) {
        for name in names.clone() {
            self.get(&name).await.unwrap();
        }
        sleep(secs(1)).await;
        assert!(names.into_iter().all(|name| self.peek(&name).is_some()));
    }

    fn held(&self) -> usize {
        self.cache.contents().len()
    }
}

fn names(letter: char, count: usize) -> impl Iterator<Item = String> + Clone {
    (0..count).map(move |n| format!("{letter}{n}"))
}

#[tokio::test(start_paused = true)]
async fn what_all_hold_together_is_bounded_and_what_is_prefetched_is_always_taken_in() {
    let [one, two] = two_in_one_room();
    one.comes_back_for(names('a', 8)).await;
    two.comes_back_for(names('b', 2)).await;
    let error = two.get("b2").await.unwrap_err();
    assert_eq!((error.reason(), error.retry_after()), (Reason::CacheFull, Some(IN_USE)));
    assert!(error.to_string().starts_with("10 scopes are held"), "{error}");
    two.cache.pin([scope("pinned")]);
    assert_eq!((one.held(), two.held()), (8, 3));
    assert!(two.get("pinned").await.is_ok());
    assert_eq!(one.get("a8").await.unwrap_err().reason(), Reason::CacheFull);
    // Who goes leaves its places behind.
    drop(one);
    two.comes_back_for(names('c', 7)).await;
    assert_eq!(two.get("c7").await.unwrap_err().reason(), Reason::CacheFull);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_costs_itself_first_and_others_what_nobody_uses() {
    let [one, two] = two_in_one_room();
    one.comes_back_for(names('a', 4)).await;
    // Nobody has come back for the last yet.
    one.get("once").await.unwrap();
    for name in names('b', 100) {
        two.get(&name).await.unwrap();
        assert!(one.held() + two.held() <= 10, "{} and {}", one.held(), two.held());
    }
    assert_eq!((one.held(), two.held()), (5, 5));
    sleep(secs(1)).await;
    two.comes_back_for(names('c', 5)).await;
    // It has nothing left that may go, and the other has.
    two.get("c5").await.unwrap();
    assert_eq!((one.held(), two.held()), (4, 6));
    assert!(one.peek("once").is_none());
    two.comes_back_for(names('c', 6)).await;
    assert_eq!(two.get("c6").await.unwrap_err().reason(), Reason::CacheFull);
    sleep(IN_USE).await;
    two.comes_back_for(names('c', 6)).await;
    two.get("c6").await.unwrap();
    assert_eq!((one.held(), two.held()), (3, 7));
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_makes_room() {
    let [one, two] = two_in_one_room();
    one.comes_back_for(names('a', 10)).await;
    assert!(two.get("b").await.is_err());
    sleep(2 * IDLE).await;
    one.cache.tend();
    assert_eq!(one.held(), 0);
    two.comes_back_for(names('b', 10)).await;
}
