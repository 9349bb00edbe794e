//! Moments and durations, as people write and read them.

use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};

const DAY: u64 = 24 * 3600;

/// A century: beyond it, sums with the time of day need not fit any more.
const MAX: u64 = 100 * 366 * DAY;

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

/// A whole number of seconds, or of what its suffix says: `s`, `m`, `h`, `d`, `w`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], DAY),
        Some((at, 'w')) => (&text[..at], 7 * DAY),
        _ => (text, 1),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds <= MAX).map(Duration::from_secs).ok_or_else(|| {
        "give a number with s, m, h, d or w, such as 72h or 45d; without one it is seconds".into()
    })
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

/// A duration in its two largest units: `45d`, `3d 4h`, `59m`, `7s`.
pub(crate) fn rough(duration: Duration) -> String {
    let all = duration.as_secs();
    let parts =
        [(all / DAY, "d"), (all % DAY / 3600, "h"), (all % 3600 / 60, "m"), (all % 60, "s")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let shown = parts.iter().enumerate().skip(first).take(2);
    let shown = shown.filter(|(at, (n, _))| *n > 0 || *at == first);
    shown.map(|(_, (n, unit))| format!("{n}{unit}")).collect::<Vec<_>>().join(" ")
}

/// How far `then` is from `now`, in words: `in 3d 4h`, `2h ago`, `now`.
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

/// What an HTTP header such as `Date` says.
pub(crate) fn http_date(text: &str) -> Option<UnixTime> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since_epoch = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(i64::try_from(since_epoch.as_secs()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_go_both_ways() {
        for (text, seconds, back) in [
            ("45d", 45 * DAY, "45d"),
            ("72h", 3 * DAY, "3d"),
            ("2w", 14 * DAY, "14d"),
            ("90m", 5400, "1h 30m"),
            ("3661", 3661, "1h 1m"),
            ("0", 0, "0s"),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
            assert_eq!(rough(Duration::from_secs(seconds)), back);
        }
        for bad in ["", "d", "1.5h", "-1d", "é", "99999999999999999999d", "40000d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

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
        assert_eq!(relative(at + Duration::from_secs(90), at), "in 1m 30s");
        assert_eq!(http_date("Mon, 23 Nov 2026 04:13:45 GMT"), Some(at));
        assert_eq!(http_date("never"), None);
    }
}
