//! When to refresh a token, and when to try again: pure rules.
//!
//! All times are durations since the token was *asked for*, because that is when its validity
//! begins to run for whoever holds it. Jitter is a number in `[0, 1)` that a pod keeps for life, so
//! that a fleet started together does not refresh together.

use std::time::Duration;

mod pause;

pub use pause::Pause;

/// Below this much remaining life a token is of no use to an Azure SDK: its cache takes one for ended
/// that has less than 300 s left. It counts in whole seconds and by its own clock, so it comes for
/// the next token a moment before or after that. The margin is for those moments: without it, it
/// would be given the same token again, and ask with each call.
const SDK_FLOOR: Duration = Duration::from_secs(300 + 10);

/// From this lifetime on the SDKs refresh at half-life, and so does cambist.
const LONG_LIVED: Duration = Duration::from_secs(2 * 3600);

/// The longest wait that a `Retry-After` may impose.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// For so long a `Retry-After` is kept without a doubt. Entra's were seen to be a minute.
pub const PROBE_AFTER: Duration = Duration::from_secs(600);

/// For so long Entra is expected to learn of a new key: longer than it was seen to go on with an old
/// key set.
const LEARNING_FOR: Duration = Duration::from_secs(3600);

/// A pod's share of the spread: a number in `[0, 1)`.
///
/// ```
/// use cambist_core::refresh::Jitter;
///
/// let pod = Jitter::of(b"3f2a0c3e-pod-uid");
/// assert_eq!(pod, Jitter::of(b"3f2a0c3e-pod-uid"));
/// assert!((0.0..1.0).contains(&pod.as_f64()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// The share that goes with some bytes that differ from pod to pod.
    pub fn of(seed: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, seed);
        let word = digest.as_ref().iter().take(4).fold(0u32, |acc, b| acc << 8 | u32::from(*b));
        Self(f64::from(word) / (f64::from(u32::MAX) + 1.0))
    }

    /// The number.
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

/// When a token of some validity is refreshed, and below what it is no longer handed out freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// From this age on a refresh starts in the background.
    pub refresh_after: Duration,
    /// From this age on a reader waits a little for the refresh before it gets the held token.
    pub floor_after: Duration,
    /// From this age on the token is worthless.
    pub valid_for: Duration,
}

impl Plan {
    /// The plan for a token.
    ///
    /// It refreshes when Entra's `refresh_in` says so; else at half-life if the token lives for over
    /// two hours; else while the floor and a tenth of its life are still left. The pod's jitter moves
    /// that within a tenth of the lifetime. It never refreshes before half of the lifetime, nor later
    /// than the floor, which is 310 s before the end (the SDKs' 5 minutes and a margin) or, for a
    /// short token, half of its life.
    ///
    /// ```
    /// use cambist_core::refresh::{Jitter, Plan};
    /// use std::time::Duration;
    ///
    /// let hour = Plan::new(Duration::from_secs(3600), None, Jitter::of(b"pod"));
    /// assert!(hour.refresh_after >= Duration::from_secs(3600 - 310 - 2 * 360));
    /// assert!(hour.refresh_after <= Duration::from_secs(3600 - 310 - 360));
    /// assert_eq!(hour.floor_after, Duration::from_secs(3290));
    /// ```
    pub fn new(valid_for: Duration, refresh_in: Option<Duration>, jitter: Jitter) -> Self {
        let half = valid_for / 2;
        let spread = valid_for / 10;
        let floor_after = valid_for - SDK_FLOOR.min(half);
        let earliest = match refresh_in {
            Some(refresh_in) => refresh_in,
            None if valid_for > LONG_LIVED => half,
            None => valid_for.saturating_sub(SDK_FLOOR + spread * 2),
        };
        let latest = floor_after.saturating_sub(spread).max(half);
        let refresh_after = earliest.clamp(half, latest) + spread.mul_f64(jitter.as_f64());
        Self { refresh_after: refresh_after.min(floor_after), floor_after, valid_for }
    }
}

/// Why the last try failed, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It may work in a moment: the network, a 5xx, throttling.
    Transient,
    /// It works once somebody's change has spread: federated credentials take minutes.
    Replicating,
    /// It works once Entra has seen the key that signed: after a rotation it goes on with the old key
    /// set for 20 to 45 minutes. A fleet waits for it, so the tries are a minute apart at most. See
    /// [`learning`](Self::learning) for how long that is believed.
    Learning,
    /// It works once the issuer's keys can be had: nothing is sent meanwhile, and whoever has none
    /// waits, so the tries are five seconds apart at most. Who looks for the keys says when that is of
    /// use again, and that is neither too early nor too late.
    Looking,
    /// It works once somebody has changed something.
    Permanent,
    /// Entra found us asking too often (AADSTS50196): asking again makes it worse.
    Looping,
}

impl Failure {
    /// That Entra does not know the key that signed, which has been in use for `known_for`: for the
    /// first hour Entra may be learning of it, after that it is something else than a rotation.
    ///
    /// ```
    /// use cambist_core::refresh::Failure;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Failure::learning(Duration::from_secs(3599)), Failure::Learning);
    /// assert_eq!(Failure::learning(Duration::from_secs(3600)), Failure::Replicating);
    /// ```
    pub fn learning(known_for: Duration) -> Self {
        if known_for < LEARNING_FOR { Self::Learning } else { Self::Replicating }
    }
}

/// The longest pause between two looks for keys after one that failed.
const MOST_LOOKING: Duration = Duration::from_secs(5);

/// What there is to answer with meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one holds something or nothing")]
pub enum Holding {
    /// A valid token: nobody waits.
    Token,
    /// Nothing.
    Nothing,
}

/// How long to leave the upstream alone after `failures` failures in a row (1 = the first).
///
/// The server's `Retry-After`, up to [`PROBE_AFTER`], is a lower bound; how a longer one goes on is
/// [`Pause`]'s to say, since that is not one scope's matter. Jitter takes up to a quarter off the
/// doubling wait, never off what the server asked for.
///
/// ```
/// use cambist_core::refresh::{Failure, Holding, Jitter, wait};
/// use std::time::Duration;
///
/// let jitter = Jitter::of(b"pod");
/// let first = wait(Failure::Transient, 1, Holding::Nothing, None, jitter);
/// assert!(first <= Duration::from_secs(1));
/// let asked = Some(Duration::from_secs(60));
/// let pause = wait(Failure::Transient, 1, Holding::Nothing, asked, jitter);
/// assert_eq!(pause, Duration::from_secs(60));
/// ```
pub fn wait(
    failure: Failure,
    failures: u32,
    holding: Holding,
    retry_after: Option<Duration>,
    jitter: Jitter,
) -> Duration {
    if let (Failure::Looking, Some(looked_for_again)) = (failure, retry_after) {
        return looked_for_again.min(MOST_LOOKING);
    }
    let (first, most) = match failure {
        Failure::Transient => match holding {
            Holding::Token => (1, 60),
            // An app is waiting; four calls a minute hurt nobody.
            Holding::Nothing => (1, 15),
        },
        Failure::Looking => (1, MOST_LOOKING.as_secs()),
        Failure::Learning => (30, 60),
        Failure::Replicating => (30, 300),
        Failure::Permanent => (60, 600),
        Failure::Looping => (300, 3600),
    };
    let doublings = failures.saturating_sub(1).min(16);
    let secs = u64::min(first << doublings, most);
    let own = Duration::from_secs(secs).mul_f64(1.0 - jitter.as_f64() / 4.0);
    own.max(retry_after.unwrap_or_default().min(PROBE_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_three_rules() {
        let plan = |life, refresh_in: Option<u64>, jitter| {
            Plan::new(secs(life), refresh_in.map(secs), Jitter(jitter)).refresh_after
        };
        assert_eq!(plan(3600, None, 0.0), secs(2570));
        assert_eq!(plan(3600, None, 0.5), secs(2750));
        assert_eq!(plan(86_400, None, 0.0), secs(43_200));
        assert_eq!(plan(86_400, Some(50_000), 0.0), secs(50_000));
        // Entra may say what it likes: not before half-life, not after the floor.
        assert_eq!(plan(3600, Some(1), 0.0), secs(1800));
        assert_eq!(plan(3600, Some(1 << 40), 0.9999), secs(2930) + secs(360).mul_f64(0.9999));
        assert_eq!(plan(0, None, 0.5), secs(0));
    }

    #[test]
    fn waits_double_and_end() {
        let wait = |failure, n| wait(failure, n, Holding::Nothing, None, Jitter(0.0)).as_secs();
        assert_eq!([1, 2, 3, 7, 99].map(|n| wait(Failure::Transient, n)), [1, 2, 4, 15, 15]);
        assert_eq!([1, 2, 5, u32::MAX].map(|n| wait(Failure::Replicating, n)), [30, 60, 300, 300]);
        assert_eq!([1, 2, 3, 4, 99].map(|n| wait(Failure::Looking, n)), [1, 2, 4, 5, 5]);
        for (asked, pause) in [(0, 0), (3, 3), (30, 5)] {
            let asked = Some(secs(asked));
            let looking = super::wait(Failure::Looking, 99, Holding::Token, asked, Jitter(0.9));
            assert_eq!(looking, secs(pause));
        }
        assert_eq!(wait(Failure::Looping, 1), 300);
        assert_eq!([1, 2, 3, u32::MAX].map(|n| wait(Failure::Learning, n)), [30, 60, 60, 60]);
        let held = |n| super::wait(Failure::Transient, n, Holding::Token, None, Jitter(0.0));
        assert_eq!([1, 5, 7, 99].map(|n| held(n).as_secs()), [1, 16, 60, 60]);
        let forever = Some(Duration::MAX);
        let absurd = super::wait(Failure::Transient, 1, Holding::Token, forever, Jitter(0.0));
        assert_eq!(absurd, PROBE_AFTER);
    }

    #[test]
    fn a_fleet_spreads_over_a_tenth_of_the_lifetime() {
        let ages: Vec<_> = (0..500u32)
            .map(|pod| Plan::new(secs(3600), None, Jitter::of(&pod.to_be_bytes())).refresh_after)
            .collect();
        // Chi-square over 10 equal buckets of the 360 s window; 27.9 is the 0.1 % point at 9 degrees.
        let mut buckets = [0f64; 10];
        for age in ages {
            let share = (age - secs(2570)).as_secs_f64() / 360.0;
            buckets[((share * 10.0) as usize).min(9)] += 1.0;
        }
        let chi2: f64 = buckets.iter().map(|n| (n - 50.0) * (n - 50.0) / 50.0).sum();
        assert!(chi2 < 27.9, "{buckets:?}");
    }

    proptest! {
        #[test]
        fn a_plan_is_in_order(life in 0u64..10_000_000, refresh_in in proptest::option::of(0u64..10_000_000), jitter in 0.0f64..1.0) {
            let plan = Plan::new(secs(life), refresh_in.map(secs), Jitter(jitter));
            prop_assert!(plan.refresh_after >= secs(life) / 2);
            prop_assert!(plan.refresh_after <= plan.floor_after);
            prop_assert!(plan.floor_after <= plan.valid_for);
        }

        #[test]
        fn a_wait_is_at_least_what_the_server_asked(n in 1u32.., asked in 0u64..3600, jitter in 0.0f64..1.0) {
            for failure in [Failure::Transient, Failure::Replicating, Failure::Learning, Failure::Permanent, Failure::Looping] {
                let wait = wait(failure, n, Holding::Nothing, Some(secs(asked)), Jitter(jitter));
                prop_assert!(wait >= secs(asked).min(PROBE_AFTER) && !wait.is_zero());
                prop_assert!(wait <= MAX_RETRY_AFTER);
            }
        }
    }
}
