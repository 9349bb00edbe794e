//! What all answers of kube-apiserver have in common: a request id, a word on caching, and which
//! representations there are. Written after the server itself and the router it is built on.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::random;
use crate::reply::{Response, response};

/// What every answer says about caching that says nothing else.
const PRIVATE: &str = "no-cache, private";
/// What the issuer's documents say.
const PUBLIC: &str = "public, max-age=3600";

/// One of the issuer's documents, for whoever takes its one representation. Nothing tells how old it
/// is: there is no `ETag` and no `Last-Modified`.
pub(crate) fn document(asked: &HeaderMap, content_type: &str, document: &Value) -> Response {
    if !takes(asked, content_type) {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {content_type}");
        return status(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", &message);
    }
    answer(StatusCode::OK, content_type, PUBLIC, document.to_string())
}

/// An object of the API.
pub(crate) fn object(code: StatusCode, object: &Value) -> Response {
    answer(code, "application/json", PRIVATE, object.to_string())
}

/// Kubernetes' own form of a refusal.
pub(crate) fn status(code: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code.as_u16(),
    });
    object(code, &body)
}

fn answer(code: StatusCode, content_type: &str, caching: &str, body: impl Into<Bytes>) -> Response {
    let id = random::uuid();
    let headers = [("content-type", content_type), ("cache-control", caching), ("audit-id", &id)];
    response(code, &headers, body)
}

/// Whether the first `Accept` names this type or all of them. The router looks at no quality, and
/// `application/*` is not the name of any type.
fn takes(asked: &HeaderMap, content_type: &str) -> bool {
    let Some(accept) = asked.get(header::ACCEPT) else { return true };
    let accept = String::from_utf8_lossy(accept.as_bytes());
    let mut types = accept.split(',').filter_map(|it| it.split(';').next());
    accept.is_empty() || types.any(|it| ["*/*", content_type].contains(&it.trim_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_representation_of_each_document() {
        for (accept, key_set, discovery) in [
            (None, 200, 200),
            (Some(""), 200, 200),
            (Some("*/*"), 200, 200),
            (Some("application/json"), 406, 200),
            (Some("application/jwk-set+json"), 200, 406),
            (Some("application/json, application/jwk-set+json;q=0.1"), 200, 200),
            (Some("text/html,*/*;q=0.8"), 200, 200),
            (Some("application/*"), 406, 406),
        ] {
            let asked = accept.map(|it| (header::ACCEPT, it.parse().unwrap()));
            let asked = HeaderMap::from_iter(asked);
            let of = |content_type| document(&asked, content_type, &json!({})).status().as_u16();
            let got = (of("application/jwk-set+json"), of("application/json"));
            assert_eq!(got, (key_set, discovery), "{accept:?}");
        }
    }

    #[test]
    fn says_what_there_is_and_how_long_it_may_be_kept() {
        let asked = HeaderMap::from_iter([(header::ACCEPT, "application/json".parse().unwrap())]);
        let refused = document(&asked, "application/jwk-set+json", &json!({}));
        let body: Value = serde_json::from_slice(refused.body()).unwrap();
        let message = "406: Not Acceptable\n\nAvailable representations: application/jwk-set+json";
        assert_eq!((&body["kind"], &body["message"]), (&json!("Status"), &json!(message)));
        assert_eq!(refused.headers()["cache-control"], "no-cache, private");
        let good = document(&HeaderMap::new(), "application/jwk-set+json", &json!({}));
        assert_eq!(good.headers()["cache-control"], "public, max-age=3600");
        assert_ne!(good.headers()["audit-id"], refused.headers()["audit-id"]);
    }
}
