//! Where a moment is in the drawing.

use std::time::Duration;

use cambist_core::clock::UnixTime;

use super::lanes::Lane;
use crate::time::day;

const DAY: i64 = 24 * 3600;

/// What lies further away than this would leave the rest no room.
const FURTHEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// The distances that dates are told in, in days.
const STEPS: [i64; 9] = [1, 2, 5, 10, 20, 30, 60, 90, 180];

/// Most dates that there is room for.
const MOST: i64 = 6;

/// From the first moment that matters to the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: UnixTime,
    to: UnixTime,
    now: UnixTime,
}

impl Scale {
    pub(super) fn of(lanes: &[Lane], watched: &[(UnixTime, UnixTime)], now: UnixTime) -> Self {
        let moments = lanes.iter().flat_map(Lane::moments);
        let moments = moments.chain(watched.first().map(|(from, _)| *from));
        let near = moments.filter(|at| at.distance(now) <= FURTHEST);
        let (mut from, mut to) = (now - Duration::from_secs(7 * 24 * 3600), now);
        for at in near {
            (from, to) = (from.min(at), to.max(at));
        }
        // A little room at both ends.
        let room = to.since(from) / 25;
        Self { from: from - room, to: to + room, now }
    }

    /// The left end.
    pub(super) fn from(&self) -> UnixTime {
        self.from
    }

    /// Where a moment is, as a share of the whole; what is outside is at the nearer end.
    pub(super) fn clamped(&self, at: UnixTime) -> f64 {
        let part = at.since(self.from).as_secs_f64() / self.to.since(self.from).as_secs_f64();
        part.clamp(0.0, 1.0)
    }

    /// Where a moment is, if it is in the drawing.
    pub(super) fn place(&self, at: UnixTime) -> Option<f64> {
        (self.from <= at && at <= self.to).then(|| self.clamped(at))
    }

    pub(super) fn now(&self) -> f64 {
        self.clamped(self.now)
    }

    /// Round dates, each with its place, as far as there is room for the word.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let days = (self.to.as_secs() - self.from.as_secs()) / DAY;
        let step = STEPS.into_iter().find(|step| days / step <= MOST).unwrap_or(365) * DAY;
        let first = self.from.as_secs().div_euclid(step) + 1;
        let all = (first..).map(|n| UnixTime::from_secs(n.saturating_mul(step)));
        let all = all.take_while(|at| *at < self.to).map(|at| (self.clamped(at), day(at)));
        all.filter(|(at, _)| (0.1..=0.9).contains(at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_few_round_and_in_the_drawing() {
        let now = UnixTime::from_secs(1_795_407_225);
        let days = |n: u64| Duration::from_secs(n * 24 * 3600);
        for long in [1, 3, 20, 100, 399] {
            let scale = Scale::of(&[], &[(now - days(long), now)], now);
            let ticks = scale.ticks();
            assert!((1..=6).contains(&ticks.len()), "{long}: {ticks:?}");
            assert!(ticks.iter().all(|(at, _)| (0.1..=0.9).contains(at)), "{ticks:?}");
        }
        // A date of 1970 leaves the rest its room.
        let scale = Scale::of(&[], &[(UnixTime::from_secs(0), now)], now);
        assert!(scale.place(UnixTime::from_secs(0)).is_none());
        assert!(scale.clamped(UnixTime::from_secs(0)) < f64::EPSILON);
        assert!(scale.clamped(now - days(7)) < 0.1 && scale.now() > 0.9);
    }
}
