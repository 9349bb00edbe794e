//! How long a key set may be used before somebody looks again.

use std::time::Duration;

use cambist_core::headers;
use http::HeaderMap;
use http::header::CACHE_CONTROL;

/// Bounds on how long a set counts as fresh, whatever its `Cache-Control` says.
pub(super) const FRESH: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(3600);

/// For how long the reply says it may be used, within bounds; nothing said means the least.
pub(super) fn fresh_for(headers: &HeaderMap) -> Duration {
    max_age(headers).unwrap_or_default().clamp(*FRESH.start(), *FRESH.end())
}

/// What the reply's `Cache-Control` says.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    headers::max_age(lines.filter_map(|line| line.to_str().ok()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn freshness_is_clamped() {
        for (value, secs) in [
            ("public, max-age=3600", 3600),
            ("max-age=0", 60),
            ("max-age=315360000", 3600),
            ("Max-Age=\"600\"", 600),
            ("no-store", 60),
            ("max-age=-1", 60),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            assert_eq!(fresh_for(&headers), Duration::from_secs(secs), "{value}");
        }
        assert_eq!(fresh_for(&HeaderMap::new()), *FRESH.start());
    }
}
