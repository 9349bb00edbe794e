//! Moments, as people write and read them.

use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};
use cambist_core::duration::rough;

/// A clock that stands still: what `--now` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed(pub(crate) UnixTime);

impl Clock for Fixed {
    fn wall(&self) -> UnixTime {
        self.0
    }

    fn boot(&self) -> BootTime {
        BootTime::from_origin(Duration::ZERO)
    }
}

/// RFC 3339 (`2026-11-23T04:13:45Z`), a date alone (its first moment in UTC), or seconds since 1970.
pub(crate) fn moment(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(UnixTime::from_secs(seconds));
    }
    let whole =
        if text.contains(['T', 't', ' ']) { text.to_owned() } else { format!("{text}T00:00:00Z") };
    whole.parse::<jiff::Timestamp>().map(|at| UnixTime::from_secs(at.as_second())).map_err(|_| {
        "give RFC 3339 such as 2026-11-23T04:13:45Z, a date, or seconds since 1970".into()
    })
}

/// How far `then` is from `now`, in words: `in 3d4h`, `2h ago`, `now`.
pub(crate) fn relative(then: UnixTime, now: UnixTime) -> String {
    match (then > now, then.distance(now)) {
        (_, Duration::ZERO) => "now".to_owned(),
        (true, distance) => format!("in {}", rough(distance)),
        (false, distance) => format!("{} ago", rough(distance)),
    }
}

/// The day of a moment: `2026-11-23`.
pub(crate) fn day(moment: UnixTime) -> String {
    moment.to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_three_ways() {
        let at = UnixTime::from_secs(1_795_407_225);
        for text in ["2026-11-23T04:13:45Z", "1795407225", "2026-11-23T05:13:45+01:00"] {
            assert_eq!(moment(text), Ok(at), "{text}");
        }
        assert_eq!(moment("2026-11-23").unwrap().to_string(), "2026-11-23T00:00:00Z");
        assert!(moment("yesterday").is_err());
        assert_eq!(day(at), "2026-11-23");
        assert_eq!(relative(at, at + Duration::from_secs(7200)), "2h ago");
        assert_eq!(relative(at + Duration::from_secs(90), at), "in 1m30s");
    }
}
