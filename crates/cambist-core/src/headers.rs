//! What HTTP headers say of time: dates, ages, waits.

use std::time::{Duration, UNIX_EPOCH};

use crate::clock::UnixTime;

/// What a number of seconds that is too large counts as (RFC 9111 section 1.2.2).
const TOO_LARGE: u64 = 1 << 31;

/// The last second of the year 9999, beyond which there is no spelling.
const LAST: u64 = 253_402_300_799;

/// A moment as `Date`, `Last-Modified` and others write it (RFC 9110 section 5.6.7), in each of its
/// three forms; none before 1970.
///
/// ```
/// use cambist_core::headers::{date, write_date};
///
/// let at = date("Mon, 23 Nov 2026 04:13:45 GMT").unwrap();
/// assert_eq!(at.to_string(), "2026-11-23T04:13:45Z");
/// assert_eq!(write_date(at), "Mon, 23 Nov 2026 04:13:45 GMT");
/// ```
pub fn date(text: &str) -> Option<UnixTime> {
    let at = httpdate::parse_http_date(text).ok()?;
    let secs = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(UnixTime::from_secs(i64::try_from(secs).ok()?))
}

/// The moment in the form that is written today; what is before 1970 or after 9999 is cut to that.
pub fn write_date(at: UnixTime) -> String {
    let secs = u64::try_from(at.as_secs()).unwrap_or(0).min(LAST);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs))
}

/// A number of seconds, such as that of `Age`: digits alone (RFC 9111 section 1.2.2). One that is too
/// large to be read is a long time all the same.
///
/// ```
/// use std::time::Duration;
///
/// use cambist_core::headers::seconds;
///
/// assert_eq!(seconds(" 90 "), Some(Duration::from_secs(90)));
/// assert_eq!(seconds("99999999999999999999"), Some(Duration::from_secs(1 << 31)));
/// assert_eq!(seconds("-1"), None);
/// ```
pub fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim_ascii();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let secs = text.parse().unwrap_or(TOO_LARGE).min(TOO_LARGE);
    digits.then_some(Duration::from_secs(secs))
}

/// The `max-age` of `Cache-Control`, whose lines these are (RFC 9111 section 5.2.2.1). The first one
/// counts, and if it is no number of seconds, there is none.
///
/// ```
/// use std::time::Duration;
///
/// use cambist_core::headers::max_age;
///
/// assert_eq!(max_age(["public, max-age=3600"]), Some(Duration::from_secs(3600)));
/// assert_eq!(max_age(["no-store"]), None);
/// ```
pub fn max_age<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Duration> {
    let mut pairs = lines.into_iter().flat_map(|line| line.split(',')).filter_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim_ascii().eq_ignore_ascii_case("max-age").then_some(value)
    });
    seconds(pairs.next()?.trim_ascii().trim_matches('"'))
}

/// How long a `Retry-After` asks to be left alone (RFC 9110 section 10.2.3): seconds, or until a date
/// that is held against `now`, which must be the same server's word: both come from one clock.
pub fn retry_after(text: &str, now: UnixTime) -> Option<Duration> {
    seconds(text).or_else(|| Some(date(text.trim_ascii())?.since(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixTime = UnixTime::from_secs(1_795_407_225);

    #[test]
    fn dates_have_three_forms() {
        for text in [
            "Mon, 23 Nov 2026 04:13:45 GMT",
            "Monday, 23-Nov-26 04:13:45 GMT",
            "Mon Nov 23 04:13:45 2026",
        ] {
            assert_eq!(date(text), Some(AT), "{text}");
        }
        for bad in ["", "never", "2026-11-23T04:13:45Z", "Wed, 31 Dec 1969 23:59:59 GMT"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        for far in [i64::MIN, -1] {
            assert_eq!(write_date(UnixTime::from_secs(far)), "Thu, 01 Jan 1970 00:00:00 GMT");
        }
        let end = write_date(UnixTime::from_secs(i64::MAX));
        assert_eq!(end, "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_max_age_is_found_among_other_directives() {
        for (lines, secs) in [
            (&["public, max-age=3600"][..], Some(3600)),
            (&["max-age=0"], Some(0)),
            (&["Max-Age=\"600\""], Some(600)),
            (&["public", "max-age=5 , immutable"], Some(5)),
            (&["s-maxage=7, max-age=5, max-age=6"], Some(5)),
            (&["max-age=99999999999999999999"], Some(1 << 31)),
            (&["max-age=-1"], None),
            (&["max-age=x, max-age=5"], None),
            (&["max-age"], None),
            (&["no-store"], None),
            (&[], None),
        ] {
            let found = max_age(lines.iter().copied());
            assert_eq!(found.map(|age| age.as_secs()), secs, "{lines:?}");
        }
    }

    #[test]
    fn a_wait_is_a_number_or_a_date() {
        let wait = |text| retry_after(text, AT).map(|wait| wait.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Mon, 23 Nov 2026 04:15:45 GMT"), Some(120));
        assert_eq!(wait("Mon, 23 Nov 2026 04:13:00 GMT"), Some(0));
        for bad in ["", "soon", "-5", "1.5", "1m"] {
            assert_eq!(wait(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(secs in 0..=253_402_300_799i64) {
            let at = UnixTime::from_secs(secs);
            assert_eq!(date(&write_date(at)), Some(at));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (date(&text), max_age([&*text]), retry_after(&text, AT));
        }
    }
}
