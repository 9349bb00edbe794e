//! How long something takes here, where nothing may take no time.

use std::time::Duration;

use cambist_core::duration::parse;
use serde::{Deserialize, Deserializer};

/// A duration that is not zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = parse(text).map_err(|problem| problem.to_string())?;
    let some = !duration.is_zero();
    some.then_some(duration).ok_or_else(|| format!("{text} is no time at all: write 1s or more"))
}

/// The same in JSON. A bare number is told what it lacks.
pub(super) fn in_json<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Number(u64),
        Text(String),
    }
    let text = match Said::deserialize(from)? {
        Said::Number(number) => number.to_string(),
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
    fn durations_have_a_unit_and_some_length() {
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "60", "0s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
