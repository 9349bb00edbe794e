//! The JSON of `POST /sim/fault`.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::fault::{Fault, Injection, Reach, Target};

/// A fault as it is asked for. Every kind needs its own fields; `None` has a default where there is a
/// sensible one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    target: Target,
    kind: Kind,
    status: Option<u16>,
    retry_after: Option<RetryAfter>,
    ms: Option<u64>,
    code: Option<u32>,
    seconds: Option<i64>,
    location: Option<String>,
    body: Option<String>,
    content_type: Option<String>,
    count: Option<u32>,
    #[serde(default)]
    by: Reach,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Status,
    Latency,
    Hang,
    Reset,
    Html,
    Empty,
    Truncate,
    Aadsts,
    Redirect,
    WrongType,
    Body,
    Stale,
    DateSkew,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RetryAfter {
    Seconds(u64),
    Text(String),
}

impl Wish {
    /// The fault, or a sentence about what the wish lacks.
    pub(super) fn grant(self) -> Result<Injection, String> {
        let Self { target, count, by: reach, .. } = self;
        let fault = self.fault()?;
        let for_entra = matches!(fault, Fault::Aadsts { .. });
        let for_issuer = matches!(fault, Fault::Stale(_));
        let grants = target.grants_tokens();
        if for_entra && !grants || for_issuer && (grants || target == Target::Api) {
            return Err("this kind of fault does not apply to this target".to_owned());
        }
        Ok(Injection { target, fault, count, reach })
    }

    fn fault(self) -> Result<Fault, String> {
        let status = self.status.map(status).transpose()?;
        let retry_after = self.retry_after.map(|retry_after| match retry_after {
            RetryAfter::Seconds(seconds) => seconds.to_string(),
            RetryAfter::Text(text) => text,
        });
        Ok(match self.kind {
            Kind::Status => {
                Fault::Status { status: need(status, "status", "an HTTP status")?, retry_after }
            }
            Kind::Latency => {
                Fault::Latency(Duration::from_millis(need(self.ms, "ms", "milliseconds")?))
            }
            Kind::Hang => Fault::Hang,
            Kind::Reset => Fault::Reset,
            Kind::Html => Fault::Html(status.unwrap_or(StatusCode::BAD_GATEWAY)),
            Kind::Empty => Fault::Empty(status.unwrap_or(StatusCode::OK)),
            Kind::Truncate => Fault::Truncate,
            Kind::Aadsts => {
                let code = need(self.code, "code", "the number behind AADSTS")?;
                Fault::Aadsts { code, status, retry_after }
            }
            Kind::Redirect => {
                // Port 9 is where nobody listens: following the redirect must be what fails.
                let nowhere = || "https://127.0.0.1:9/".to_owned();
                Fault::Redirect { location: self.location.unwrap_or_else(nowhere) }
            }
            Kind::WrongType => Fault::WrongType,
            Kind::Body => Fault::Body {
                status: status.unwrap_or(StatusCode::OK),
                content_type: self.content_type.unwrap_or_else(|| "application/json".to_owned()),
                body: need(self.body, "body", "the text to answer with")?,
            },
            Kind::Stale => {
                let seconds = need(self.seconds, "seconds", "the age")?;
                let seconds = u64::try_from(seconds).map_err(|_| "'seconds' is negative")?;
                Fault::Stale(Duration::from_secs(seconds))
            }
            Kind::DateSkew => Fault::DateSkew(need(self.seconds, "seconds", "how wrong it is")?),
        })
    }
}

fn need<T>(field: Option<T>, name: &str, meaning: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("this kind of fault needs '{name}': {meaning}"))
}

/// A final status: an informational one would only announce another answer.
fn status(number: u16) -> Result<StatusCode, String> {
    let status = StatusCode::from_u16(number).ok().filter(|_| (200..=599).contains(&number));
    status.ok_or_else(|| format!("'status' is {number}, and must be between 200 and 599"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wish(json: Value) -> Result<Injection, String> {
        serde_json::from_value::<Wish>(json).map_err(|error| error.to_string())?.grant()
    }

    #[test]
    fn fields_go_where_their_kind_needs_them() {
        let got = wish(json!({
            "target": "entra", "kind": "status", "status": 503, "retry_after": "60", "ms": 2000,
            "code": 700_024, "count": null,
        }));
        let retry_after = Some("60".to_owned());
        let fault = Fault::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after };
        let (target, reach) = (Target::Entra, Reach::Pod);
        assert_eq!(got.unwrap(), Injection { target, fault, count: None, reach });

        let got = wish(json!({ "target": "jwks", "kind": "hang", "count": 2, "by": "all" }));
        let (target, reach) = (Target::Jwks, Reach::All);
        assert_eq!(got.unwrap(), Injection { target, fault: Fault::Hang, count: Some(2), reach });

        let got =
            wish(json!({ "target": "entra", "kind": "aadsts", "code": 50_196, "retry_after": 5 }));
        let retry_after = Some("5".to_owned());
        assert_eq!(got.unwrap().fault, Fault::Aadsts { code: 50_196, status: None, retry_after });
        let got = wish(json!({ "target": "discovery", "kind": "date-skew", "seconds": -600 }));
        assert_eq!(got.unwrap().fault, Fault::DateSkew(-600));
    }

    #[test]
    fn says_what_is_missing_or_makes_no_sense() {
        for (bad, word) in [
            (json!({ "target": "entra", "kind": "status" }), "'status'"),
            (json!({ "target": "entra", "kind": "status", "status": 101 }), "101"),
            (json!({ "target": "entra", "kind": "latency" }), "'ms'"),
            (json!({ "target": "jwks", "kind": "aadsts", "code": 1 }), "does not apply"),
            (json!({ "target": "entra", "kind": "stale", "seconds": 1 }), "does not apply"),
            (json!({ "target": "jwks", "kind": "stale", "seconds": -1 }), "negative"),
            (json!({ "target": "pod", "kind": "hang" }), "unknown variant `pod`"),
            (json!({ "target": "entra", "kind": "hang", "cuont": 1 }), "`cuont`"),
        ] {
            let error = wish(bad).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
