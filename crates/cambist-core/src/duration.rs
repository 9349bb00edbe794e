//! How long something takes, as people write it and as they are told: `45d`, `1h30m`.
//!
//! One spelling for variables, flags, files and messages. A number without a unit is refused: what is
//! seconds to one program is days to another. (What a protocol says in seconds stays so.)

use std::fmt::Write as _;
use std::time::Duration;

use crate::foreign::Foreign;

/// The units there are, the largest first, in seconds.
const UNITS: [(char, u64); 5] =
    [('w', 7 * 86_400), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// The longest duration that is accepted: a century. Beyond it, sums with the time of day need not
/// fit any more.
pub const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// A number alone.
    #[error("{0} has no unit: write {0}s, {0}m, {0}h, {0}d or {0}w")]
    NoUnit(u32),
    /// Something else than numbers with units.
    #[error(
        "{0} is no duration: write whole numbers with their units (w, d, h, m, s), the largest first, such as 45d, 72h or 1h30m"
    )]
    Form(Foreign),
    /// More than [`LONGEST`].
    #[error("{0} is longer than a century ({longest})", longest = exact(LONGEST))]
    TooLong(Foreign),
}

/// Reads whole numbers with their units (`s`, `m`, `h`, `d`, `w`), the largest unit first and each
/// once at most.
///
/// ```
/// use std::time::Duration;
///
/// use cambist_core::duration::parse;
///
/// assert_eq!(parse("45d")?, Duration::from_secs(45 * 24 * 3600));
/// assert_eq!(parse("1h30m")?, Duration::from_secs(5400));
/// let bare = parse("45").unwrap_err().to_string();
/// assert_eq!(bare, "45 has no unit: write 45s, 45m, 45h, 45d or 45w");
/// # Ok::<(), cambist_core::duration::DurationError>(())
/// ```
///
/// # Errors
/// If a unit is missing, if it is something else, or longer than [`LONGEST`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if let (true, Ok(number)) = (is_number(text), text.parse()) {
        return Err(DurationError::NoUnit(number));
    }
    let form = || DurationError::Form(Foreign::new(text));
    let (mut rest, mut units) = (text, UNITS.iter());
    let mut total = Some(0_u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).ok_or_else(form)?);
        let mut letters = after.chars();
        let unit = letters.next();
        let (_, seconds) = units.find(|(name, _)| unit == Some(*name)).ok_or_else(form)?;
        if !is_number(number) {
            return Err(form());
        }
        // What has more digits than fit is long all the same.
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*seconds));
        total = total.zip(part).and_then(|(total, part)| total.checked_add(part));
        rest = letters.as_str();
    }
    if text.is_empty() {
        return Err(form());
    }
    let total = total.map(Duration::from_secs).filter(|total| *total <= LONGEST);
    total.ok_or_else(|| DurationError::TooLong(Foreign::new(text)))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_digit)
}

/// A duration to the second, in the spelling that [`parse`] reads; fractions of a second are left out.
///
/// ```
/// use std::time::Duration;
///
/// use cambist_core::duration::exact;
///
/// assert_eq!(exact(Duration::from_secs(90_061)), "1d1h1m1s");
/// assert_eq!(exact(Duration::ZERO), "0s");
/// ```
pub fn exact(duration: Duration) -> String {
    told(duration, UNITS.len())
}

/// A duration at a glance: its largest unit and the one below, `93d23h`; what is less is left out.
///
/// ```
/// use std::time::Duration;
///
/// use cambist_core::duration::rough;
///
/// assert_eq!(rough(Duration::from_secs(3 * 86_400 + 4 * 3600 + 59)), "3d4h");
/// assert_eq!(rough(Duration::from_secs(45 * 86_400 + 59)), "45d");
/// ```
pub fn rough(duration: Duration) -> String {
    told(duration, 2)
}

/// From the largest unit that counts, so many units. Weeks are read and not told: limits and ages are
/// compared in days.
fn told(duration: Duration, units: usize) -> String {
    let mut left = duration.as_secs();
    let mut told = String::new();
    let units = UNITS.iter().skip(1).skip_while(|(_, seconds)| left < *seconds).take(units);
    for (unit, seconds) in units.copied().collect::<Vec<_>>() {
        if left >= seconds {
            // Writing to a text does not fail.
            _ = write!(told, "{}{unit}", left / seconds);
        }
        left %= seconds;
    }
    if told.is_empty() { "0s".to_owned() } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_go_from_the_largest_to_the_smallest() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("72h", 3 * 86_400),
            ("45d", 45 * 86_400),
            ("2w", 14 * 86_400),
            ("1w1d1h1m1s", 8 * 86_400 + 3661),
            ("007d", 7 * 86_400),
            ("36600d", LONGEST.as_secs()),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        for (text, words) in [
            ("45", "45 has no unit: write 45s, 45m, 45h, 45d or 45w"),
            ("0", "0 has no unit"),
            ("", "\"\" is no duration"),
            ("d", "no duration"),
            ("1.5h", "whole numbers"),
            ("-5s", "\"-5s\" is no duration"),
            ("+5s", "no duration"),
            ("5y", "(w, d, h, m, s)"),
            ("5D", "no duration"),
            ("5 d", "no duration"),
            ("1h30", "no duration"),
            ("30m1h", "the largest first"),
            ("1h1h", "no duration"),
            ("5é", r#""5\u{e9}""#),
            ("٣d", "no duration"),
            ("36601d", "longer than a century (36600d)"),
            ("99999999999999999999d", "longer than a century"),
            ("18446744073709551615w", "longer than a century"),
            ("36600d1s", "longer than a century"),
            ("18446744073709551615", "no duration"),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
        assert!(parse(&"9".repeat(100_000)).unwrap_err().to_string().len() < 400);
        assert!(parse(&"9d".repeat(100_000)).unwrap_err().to_string().len() < 400);
    }

    #[test]
    fn a_glance_sees_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (300, "5m"),
            (301, "5m1s"),
            (3601, "1h"),
            (5400, "1h30m"),
            (94 * 86_400, "94d"),
            (94 * 86_400 - 300, "93d23h"),
            (86_400 + 59, "1d"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), text);
        }
        assert_eq!(exact(Duration::MAX), "213503982334601d7h15s");
        assert_eq!(exact(Duration::from_millis(1999)), "1s");
    }

    proptest::proptest! {
        #[test]
        fn what_is_told_is_read_again(seconds in 0..=LONGEST.as_secs()) {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse(&exact(duration)), Ok(duration));
            let glance = parse(&rough(duration)).unwrap();
            assert!(glance <= duration && duration - glance < Duration::from_secs(3600));
        }

        #[test]
        fn what_is_read_is_what_its_parts_are(
            w in 0u64..100, d in 0u64..100, h in 0u64..100, m in 0u64..100, s in 0u64..100,
        ) {
            let seconds = w * 604_800 + d * 86_400 + h * 3600 + m * 60 + s;
            let read = parse(&format!("{w}w{d}d{h}h{m}m{s}s"));
            assert_eq!(read, Ok(Duration::from_secs(seconds)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}", near in "[0-9smhdw ]{0,8}") {
            drop(parse(&text));
            drop(parse(&near));
        }
    }
}
