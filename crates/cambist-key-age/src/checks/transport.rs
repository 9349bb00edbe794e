//! K403, K405 to K407, K409 and K410: how the issuer answers.

use std::time::Duration;

use crate::finding::{CheckId, Finding, Severity};
use crate::policy::Policy;
use crate::published::PublishedSet;
use crate::text::{list, quoted};
use crate::words::span;
use cambist_core::clock::{Reading, UnixTime};
use cambist_core::issuer::MAX_DISCOVERY_BYTES;
use cambist_core::json;
use cambist_core::jwks::MAX_JWKS_BYTES;

/// Which document was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Document {
    /// `/.well-known/openid-configuration`.
    Discovery,
    /// The key set.
    KeySet,
}

/// An answer, as it was recorded.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever records an answer fills it in whole: a header left out would count as not sent"
)]
pub struct Answer {
    /// What was asked for.
    pub document: Document,
    /// The URL that was asked.
    pub url: String,
    /// When it came, by this clock.
    pub at: UnixTime,
    /// The HTTP status.
    pub status: u16,
    /// Where it redirected to, step by step.
    pub redirects: Vec<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Date`.
    pub date: Option<UnixTime>,
    /// `Age`: for how long a cache has held it.
    pub age: Option<Duration>,
    /// `max-age` of `Cache-Control`.
    pub max_age: Option<Duration>,
    /// `Last-Modified`.
    pub last_modified: Option<UnixTime>,
    /// `ETag`.
    pub etag: Option<String>,
    /// The body, cut somewhere beyond the limit if it is longer.
    pub body: Vec<u8>,
}

impl Answer {
    /// The time by the server: a cache passes on the `Date` at which the answer was made.
    pub fn server_time(&self) -> Option<UnixTime> {
        Some(self.date? + self.age.unwrap_or_default())
    }

    /// How far out of date it may be: the time it may be cached, and has been.
    pub fn stale(&self) -> Duration {
        let max_age = self.max_age.unwrap_or(Duration::from_secs(3600));
        max_age.saturating_add(self.age.unwrap_or_default())
    }
}

/// K403: it redirects.
pub fn redirected(answer: &Answer) -> Option<Finding> {
    let to = list(answer.redirects.iter().map(String::as_str));
    let text = format!("{} redirects to {to}", quoted(&answer.url));
    (!answer.redirects.is_empty()).then(|| Finding::new(CheckId::K403, None, text))
}

/// From here on a difference of the clocks is more than an untidy node.
const FAR: Duration = Duration::from_secs(3600);

/// K405: the clocks differ. By an hour and more, one of them makes evidence worthless.
pub fn clocks_differ(answer: &Answer, policy: &Policy) -> Option<Finding> {
    let server = answer.server_time()?;
    let apart = server.distance(answer.at);
    let text = format!("here it is {}, there {server}: {} apart", answer.at, span(apart));
    differ(apart, text, policy)
}

/// K405 for somebody who has compared clocks already. `left_out` looks were not recorded for it.
pub fn clock_is_off(now: Reading, left_out: u32, policy: &Policy) -> Option<Finding> {
    let apart = now.error();
    let text = format!(
        "here it is {}, {} off what https servers say; {left_out} looks were not recorded for that",
        now.at(),
        span(apart)
    );
    differ(apart, text, policy)
}

fn differ(apart: Duration, text: String, policy: &Policy) -> Option<Finding> {
    let finding = Finding::new(CheckId::K405, None, text);
    let finding = if apart >= FAR { finding.severity(Severity::High) } else { finding };
    (apart > policy.clock_error).then_some(finding)
}

/// K406: what came with status 200 is no small, well-formed JSON document. An odd content type, as blob
/// stores have it, is a lesser matter; and a refusal is no document at all.
pub fn malformed(answer: &Answer) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut find = |severity, text: String| {
        let text = format!("{}: {text}", quoted(&answer.url));
        out.push(Finding::new(CheckId::K406, None, text).severity(severity));
    };
    let (limit, content_type) = match answer.document {
        Document::Discovery => (MAX_DISCOVERY_BYTES, "application/json"),
        Document::KeySet => (MAX_JWKS_BYTES, "application/jwk-set+json"),
    };
    if answer.status != 200 {
        return out;
    }
    if answer.body.len() > limit {
        find(Severity::Medium, format!("more than {limit} bytes"));
        return out;
    }
    if std::str::from_utf8(&answer.body).is_err() {
        find(Severity::Medium, "not UTF-8".to_owned());
        return out;
    }
    match answer.document {
        Document::Discovery => {
            if let Err(error) = json::object(&answer.body) {
                find(Severity::Medium, error.to_string());
            }
        }
        Document::KeySet => match PublishedSet::parse(&answer.body) {
            Ok(set) => set.defects().iter().for_each(|text| find(Severity::Medium, text.clone())),
            Err(error) => find(Severity::Medium, error.to_string()),
        },
    }
    let found = answer.content_type.as_deref().unwrap_or_default();
    let plain = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if plain != content_type && plain != "application/json" {
        find(Severity::Low, format!("Content-Type {}", quoted(found)));
    }
    out
}

/// K407: the key set may be cached for an unknown time, for longer than tokens live, or was held by
/// a cache beyond its time.
pub fn cached_badly(answer: &Answer, policy: &Policy) -> Option<Finding> {
    let text = match (answer.max_age, answer.age) {
        (None, _) => "no max-age: relying parties cache it for as long as they like".to_owned(),
        (Some(max_age), _) if max_age > policy.max_token_life => {
            let (cached, life) = (span(max_age), span(policy.max_token_life));
            format!("max-age is {cached}, longer than the {life} that tokens live")
        }
        (Some(max_age), Some(age)) if age > max_age => {
            format!(
                "a cache has held it for {}, beyond its max-age of {}",
                span(age),
                span(max_age)
            )
        }
        _ => return None,
    };
    let key_set = answer.document == Document::KeySet && matches!(answer.status, 200 | 304);
    key_set.then(|| Finding::new(CheckId::K407, None, format!("{}: {text}", quoted(&answer.url))))
}

/// A TLS connection, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever records a connection fills it in whole")]
pub struct Tls {
    /// Why chain or host name did not verify, if they did not.
    pub fault: Option<String>,
    /// The version by its number on the wire: 0x0303 is TLS 1.2.
    pub version: u16,
    /// The end of the server's certificate.
    pub not_after: UnixTime,
}

/// K409: the chain or name fails, TLS is older than 1.2, or the certificate ends within 14 days.
pub fn weak_tls(tls: &Tls, now: UnixTime) -> Vec<Finding> {
    let fault = tls.fault.clone();
    let old =
        (tls.version < 0x0303).then(|| format!("TLS version {:#06x}, before 1.2", tls.version));
    let soon = now + Duration::from_secs(14 * 24 * 3600) > tls.not_after;
    let ends = soon.then(|| format!("the certificate ends at {}", tls.not_after));
    let texts = [fault, old, ends].into_iter().flatten();
    texts.map(|text| Finding::new(CheckId::K409, None, text)).collect()
}

/// Who may read the API server's discovery document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryAccess {
    /// Anybody, without a token.
    Anonymous,
    /// A service account's token is needed.
    Authenticated,
    /// Not even this service account may.
    Denied,
}

/// K410: who may read the API server's discovery document, where that is not the default.
pub fn discovery_access(access: DiscoveryAccess) -> Option<Finding> {
    let text = match access {
        DiscoveryAccess::Anonymous => "anybody may read it, without a token",
        DiscoveryAccess::Denied => "this service account may not read it",
        DiscoveryAccess::Authenticated => return None,
    };
    Some(Finding::new(CheckId::K410, None, text.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{KEYS, NOW, set};
    use crate::vectors::{DAY, HOUR};

    pub(crate) fn answer() -> Answer {
        Answer {
            document: Document::KeySet,
            url: "https://issuer.example/jwks".to_owned(),
            at: NOW,
            status: 200,
            redirects: Vec::new(),
            content_type: Some("application/jwk-set+json; charset=utf-8".to_owned()),
            date: Some(NOW),
            age: None,
            max_age: Some(HOUR),
            last_modified: None,
            etag: None,
            body: set(&[&KEYS[0].jwk("a")]).into_bytes(),
        }
    }

    #[test]
    fn k403_is_any_redirect() {
        assert!(redirected(&answer()).is_none());
        let away = Answer { redirects: vec!["https://b.example/".to_owned()], ..answer() };
        assert!(redirected(&away).unwrap().evidence[0].contains("b.example"));
    }

    #[test]
    fn k405_counts_the_time_in_caches() {
        let policy = Policy::default();
        assert!(clocks_differ(&answer(), &policy).is_none());
        let cached = Answer { date: Some(NOW - HOUR), age: Some(HOUR), ..answer() };
        assert!(clocks_differ(&cached, &policy).is_none());
        for date in [NOW - HOUR, NOW + HOUR] {
            assert!(clocks_differ(&Answer { date: Some(date), ..answer() }, &policy).is_some());
        }
        assert!(clocks_differ(&Answer { date: None, ..answer() }, &policy).is_none());
    }

    #[test]
    fn k406_is_whatever_is_no_small_json_document() {
        assert!(malformed(&answer()).is_empty());
        let with = |body: &[u8]| malformed(&Answer { body: body.to_vec(), ..answer() });
        for body in [
            &b"<html>"[..],
            br#"{"keys":[]}"#,
            b"\xff\xfe",
            br#"{"keys":[{"kty":"AKP","kty":"AKP"}]}"#,
            &vec![b' '; MAX_JWKS_BYTES + 1],
        ] {
            assert_eq!(with(body).len(), 1, "{:?}", with(body));
        }
        let refusal = |status| Answer { status, body: b"no".to_vec(), max_age: None, ..answer() };
        for status in [304, 401, 403, 404, 503] {
            assert_eq!(malformed(&refusal(status)), [], "{status}");
        }
        assert_eq!(cached_badly(&refusal(403), &Policy::default()), None);
        let blob = Answer { content_type: Some("application/octet-stream".to_owned()), ..answer() };
        assert_eq!(malformed(&blob)[0].severity, Severity::Low);
        let document = Document::Discovery;
        assert!(
            malformed(&Answer { document, body: b"{}".to_vec(), ..answer() })
                .iter()
                .all(|f| f.severity == Severity::Low)
        );
        assert!(!malformed(&Answer { document, body: b"[]".to_vec(), ..answer() }).is_empty());
    }

    #[test]
    fn k407_is_about_caches_of_the_key_set() {
        let policy = Policy::default();
        let ask = |max_age, age, document| {
            cached_badly(&Answer { max_age, age, document, ..answer() }, &policy).is_some()
        };
        let set = Document::KeySet;
        assert!(!ask(Some(HOUR), None, set) && !ask(Some(HOUR), Some(HOUR), set));
        assert!(ask(None, None, set) && ask(Some(DAY * 2), None, set));
        assert!(ask(Some(HOUR), Some(HOUR * 2), set));
        assert!(!ask(None, None, Document::Discovery));
        assert_eq!(Answer { age: Some(HOUR), ..answer() }.stale(), HOUR * 2);
    }

    #[test]
    fn k409_is_tls_that_fails_or_will() {
        let sound = Tls { fault: None, version: 0x0304, not_after: NOW + DAY * 15 };
        assert!(weak_tls(&sound, NOW).is_empty());
        let fault = Some("unknown issuer".to_owned());
        let weak = Tls { fault, version: 0x0302, not_after: NOW + DAY * 13 };
        assert_eq!(weak_tls(&weak, NOW).len(), 3);
    }

    #[test]
    fn k410_tells_what_is_not_the_default() {
        assert!(discovery_access(DiscoveryAccess::Anonymous).is_some());
        assert!(discovery_access(DiscoveryAccess::Authenticated).is_none());
    }
}
