//! The issuer's documents over HTTP.

use aws_lc_rs::digest;
use cambist_core::clock::UnixTime;
use cambist_core::headers::{date, write_date};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::timeline::Version;
use crate::reply::{Response, response};

/// What an upload made with care says: the same as kube-apiserver.
const CACHE_CONTROL: (&str, &str) = ("cache-control", "public, max-age=3600");

/// A document in a storage account, whatever the caller would accept.
pub(super) fn uploaded(document: &Value) -> Response {
    let headers = [("content-type", "application/json"), CACHE_CONTROL];
    response(StatusCode::OK, &headers, document.to_string())
}

/// A key set in a storage account: dated, and not sent again to whoever has it.
pub(super) fn blob(version: &Version, asked: &HeaderMap) -> Response {
    let (etag, modified) = (etag(version), write_date(version.modified));
    let validators = [("etag", etag.as_str()), ("last-modified", &modified), CACHE_CONTROL];
    if is_known(asked, &etag, version.modified) {
        return response(StatusCode::NOT_MODIFIED, &validators, "");
    }
    let [etag, modified, cache] = validators;
    let headers = [("content-type", "application/json"), etag, modified, cache];
    response(StatusCode::OK, &headers, version.set.to_string())
}

/// Changes with every upload, as a storage account's does.
fn etag(version: &Version) -> String {
    let written = format!("{} {}", version.modified.as_secs(), version.set);
    let digest = digest::digest(&digest::SHA256, written.as_bytes());
    let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02X}")).collect();
    format!("\"0x{hex}\"")
}

/// RFC 9110, section 13.2.2: the date is looked at only if there is no tag.
fn is_known(asked: &HeaderMap, etag: &str, modified: UnixTime) -> bool {
    let text = |name| asked.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        let weak = |tag: &str| tag.trim().trim_start_matches("W/") == etag;
        return tags.trim() == "*" || tags.split(',').any(weak);
    }
    text(header::IF_MODIFIED_SINCE).and_then(date).is_some_and(|since| since >= modified)
}
