//! How long a reply asks to be left alone, and what time it says it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cambist_core::clock::UnixTime;
use cambist_core::refresh::MAX_RETRY_AFTER;
use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// The `Date` header (RFC 9110 section 6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Option<UnixTime> {
    http_date(headers, &DATE)
}

/// The `Retry-After` header: seconds, or a date (RFC 9110 section 10.2.3) that is compared with the
/// reply's own `Date`, because both come from the same clock. At most an hour, and nothing if it is
/// no wait at all.
pub(super) fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number too large to be read is a long wait all the same.
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        http_date(headers, &RETRY_AFTER)?.since(now)
    };
    Some(wait.min(MAX_RETRY_AFTER)).filter(|wait| !wait.is_zero())
}

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<UnixTime> {
    let at: SystemTime = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    let secs = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(UnixTime::from_secs(i64::try_from(secs).ok()?))
}
