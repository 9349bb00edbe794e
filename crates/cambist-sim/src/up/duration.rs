//! How long something takes, as people write it.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A whole number of seconds, or of what its suffix says; not zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 24 * 3600),
        _ => (text, 1),
    };
    // A century: beyond it, sums with the time of day need not fit any more.
    const MAX: u64 = 100 * 366 * 24 * 3600;
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| (1..=MAX).contains(seconds)).map(Duration::from_secs).ok_or_else(
        || "give whole seconds, or a number with s, m, h or d, such as 90s or 5m".into(),
    )
}

/// The same in JSON: a number of seconds, or a text.
pub(super) fn in_json<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Seconds(u64),
        Text(String),
    }
    let text = match Said::deserialize(from)? {
        Said::Seconds(seconds) => seconds.to_string(),
        Said::Text(text) => text,
    };
    duration(&text).map_err(serde::de::Error::custom)
}

/// The same, of which null is none.
pub(super) fn in_json_or_null<'de, D>(from: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    struct Given(#[serde(deserialize_with = "in_json")] Duration);
    Ok(Option::<Given>::deserialize(from)?.map(|Given(duration)| duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "s", "0", "5w", "-1", "1.5h", "é", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
