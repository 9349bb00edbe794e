//! How long a reply asks to be left alone, and what time it says it is.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::headers;
use cambist_core::refresh::MAX_RETRY_AFTER;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The `Date` header (RFC 9110 section 6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Option<UnixTime> {
    headers::date(headers.get(DATE)?.to_str().ok()?)
}

/// The `Retry-After` header, by a server that says it is `now`: at most an hour, and nothing if it is
/// no wait at all.
pub(super) fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let wait = headers::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)?;
    Some(wait.min(MAX_RETRY_AFTER)).filter(|wait| !wait.is_zero())
}
