//! K101 to K111: signs of somebody else's hand in what is published now.

use std::time::Duration;

use crate::fact::Source;
use crate::finding::{CheckId, Finding, Severity};
use crate::history::{Expectation, History, Lifetime};
use crate::policy::Policy;
use crate::published::{PublishedKey, PublishedSet};
use crate::text::quoted;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::{Exposed, KeyId, Thumbprint};

/// K101, K103 and K303: keys whose private half anybody can have, because it is published, known or
/// can be computed.
pub fn exposed_keys(set: &PublishedSet) -> Vec<Finding> {
    let finding = |key: &PublishedKey| {
        let quote = || quoted(&key.kty);
        let (id, text) = match (&key.exposed, key.kty.as_str()) {
            (Some(Exposed::Published(members)), _) => {
                let members = members.join(", ");
                (CheckId::K101, format!("{} (kty {}) has members: {members}", key.name(), quote()))
            }
            (Some(how @ Exposed::Example(_)), _) => (CheckId::K103, how.to_string()),
            (Some(how), _) => (CheckId::K303, format!("{}: {how}", key.name())),
            (None, "oct") => (CheckId::K101, format!("{} (kty {})", key.name(), quote())),
            (None, _) => return None,
        };
        Some(Finding::new(id, key.thumbprint, text))
    };
    set.keys().iter().filter_map(finding).collect()
}

/// How long an API server may take to learn of a key that is public already, at least.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// K102: a public key that the API server, asked since, never published.
///
/// It is critical once that is sure: both sets were looked at before the key was first public, and
/// for a day (or a cache life, if that is longer) after. While a key is being introduced by hand it may be
/// public first, and of a key that was there at the first look nobody knows what the API server had
/// before.
///
/// Of a key that was announced ([`History::expect`]) nothing is said while that is in force, and one that
/// was seen to appear unannounced while another was expected is given no day: whoever rotates says
/// beforehand which key comes.
pub fn foreign_keys(history: &History, policy: &Policy, now: UnixTime) -> Vec<Finding> {
    let Some(api) = history.latest(Source::Api) else { return Vec::new() };
    let public = history.published(Source::Public);
    let of_api = history.runs().iter().filter(|run| run.source == Source::Api);
    let since = of_api.map(|run| run.from).min().unwrap_or(api.from);
    let lives = history.lifetimes(Source::Public);
    let foreign = lives.iter().filter(|life| {
        let announced = history.expected(life.key).is_some_and(|said| said.holds(now));
        let foreign = public.contains(&life.key) && !history.had(Source::Api, life.key);
        foreign && !announced && api.to >= life.first
    });
    let finding = |life: &Lifetime| {
        let (first, asked) = (life.first, api.to);
        let enough = first + policy.cache_life.max(DAY);
        let watched = life.absent.is_some() && since <= first;
        let other = watched.then(|| another_expected(history, life)).flatten();
        let sure = watched && (asked >= enough || other.is_some());
        let what = match (sure, watched, other) {
            (_, _, Some(other)) => format!(
                "does not have it, and it is not the key that was announced then, {other}: if it is one of yours, say so with `cambist issuer expect`"
            ),
            (true, ..) => "has never published it".to_owned(),
            (false, true, None) => format!(
                "does not have it yet: if it still does not after {enough}, somebody else put it there"
            ),
            (false, false, None) => format!(
                "does not have it, or no longer: what it published before {} was not seen",
                since.max(first)
            ),
        };
        let text = format!(
            "public since {first} at the latest; the API server, asked from {since} to {asked}, {what}"
        );
        let severity = if sure { Severity::Critical } else { Severity::High };
        Finding::new(CheckId::K102, Some(life.key), text).severity(severity)
    };
    foreign.map(finding).collect()
}

/// A key that was expected when this one was first seen, which nobody had announced.
fn another_expected(history: &History, life: &Lifetime) -> Option<Thumbprint> {
    let then = |said: &Expectation| said.at <= life.first && said.holds(life.first);
    let (own, others): (Vec<_>, Vec<_>) = history
        .expectations()
        .iter()
        .filter(|(_, said)| then(said))
        .partition(|(key, _)| **key == life.key);
    own.is_empty().then(|| others.first().map(|(key, _)| **key))?
}

/// K104: a token names a published key, and its signature is not that key's. `verified` says
/// whether it is.
pub fn forged_token(kid: &KeyId, named: Thumbprint, verified: bool) -> Option<Finding> {
    let text = format!("the token names {kid}, and its signature is not by that key");
    (!verified).then(|| Finding::new(CheckId::K104, Some(named), text))
}

/// K105: the discovery document leads to another host than the last time. `history` is as it was
/// before it learned of `jwks_uri`.
pub fn moved(history: &History, jwks_uri: &str) -> Option<Finding> {
    let before = history.endpoint()?;
    let (was, is) = (super::host(&before.uri), super::host(jwks_uri));
    let text = format!("jwks_uri led to {} at {}, now to {}", quoted(&was), before.at, quoted(&is));
    (!was.eq_ignore_ascii_case(&is)).then(|| Finding::new(CheckId::K105, None, text))
}

/// K110: a key id that the history knows as another key's.
pub fn reused_kids(history: &History, set: &PublishedSet) -> Vec<Finding> {
    let known: Vec<_> = [Source::Public, Source::Api, Source::File]
        .into_iter()
        .flat_map(|source| history.ever(source))
        .collect();
    let mut out = Vec::new();
    for key in set.keys() {
        let (Some(kid), Some(thumbprint)) = (&key.kid, key.thumbprint) else { continue };
        let had = |other: &&Thumbprint| {
            **other != thumbprint
                && (other.to_string() == *kid || history.kids(**other).any(|name| name == kid))
        };
        if let Some(other) = known.iter().find(had) {
            let text = format!("{} now names {thumbprint}, and named {other}", quoted(kid));
            out.push(Finding::new(CheckId::K110, Some(thumbprint), text));
        }
    }
    out
}

/// K111: one key id for two keys of one set.
pub fn shared_kids(set: &PublishedSet) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    for (index, key) in set.keys().iter().enumerate() {
        let Some(kid) = &key.kid else { continue };
        let earlier = set.keys().iter().take(index);
        let twin = |other: &&crate::published::PublishedKey| {
            other.kid.as_ref() == Some(kid) && other.thumbprint != key.thumbprint
        };
        if earlier.clone().any(|other| twin(&other)) {
            let text = format!("{} names more than one key, so it names none", quoted(kid));
            out.push(Finding::new(CheckId::K111, key.thumbprint, text));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Sighting;
    use crate::history::tests::look;
    use crate::published::tests::KUBERNETES_TEST_RSA;
    use crate::testing::{ISSUER, KEYS, NOW, set};
    use crate::vectors::{DAY, HOUR, key, watch};
    use cambist_core::clock::Reading;

    fn parse(jwks: &[&str]) -> PublishedSet {
        PublishedSet::parse(set(jwks).as_bytes()).unwrap()
    }

    #[test]
    fn k101_sees_private_members_and_shared_secrets() {
        let leaked = KEYS[0].jwk("a").replace("\"e\":", "\"dq\":\"AQAB\",\"e\":");
        let found = exposed_keys(&parse(&[&leaked, r#"{"kty":"oct"}"#]));
        assert_eq!(found.len(), 2);
        assert!(found[0].evidence[0].contains("dq") && !found[0].evidence[0].contains("AQAB"));
        assert!(found[0].key.is_some());
        assert!(exposed_keys(&parse(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("b")])).is_empty());
    }

    #[test]
    fn k102_needs_an_api_server_that_was_asked_since() {
        let policy = Policy::default();
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1, 2], NOW, NOW + DAY, HOUR);
        assert!(foreign_keys(&history, &policy, NOW + DAY * 4).is_empty());
        history.observe(&look(Source::Api, NOW - DAY, &[1])).unwrap();
        assert!(foreign_keys(&history, &policy, NOW + DAY * 4).is_empty());
        history.observe(&look(Source::Api, NOW + DAY * 2, &[1])).unwrap();
        // It was there at the first look: the API server may have had it before.
        let found = foreign_keys(&history, &policy, NOW + DAY * 4);
        assert_eq!((found.len(), found[0].key), (1, Some(key(2))));
        assert_eq!((found[0].severity, found[0].is_suspicion()), (Severity::High, false));
        // A key that the API server had once is not foreign.
        history.observe(&look(Source::Api, NOW - DAY * 2, &[1, 2])).unwrap();
        assert!(foreign_keys(&history, &policy, NOW + DAY * 4).is_empty());
    }

    #[test]
    fn k102_gives_the_api_server_a_day() {
        let policy = Policy::default();
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
        history.observe(&look(Source::Api, NOW, &[1])).unwrap();
        // Public first, as whoever publishes by hand does it.
        watch(&mut history, &[1, 2], NOW + DAY + HOUR, NOW + DAY * 3, HOUR);
        let severity = |history: &History| {
            foreign_keys(history, &policy, NOW + DAY * 4).pop().map(|f| f.severity)
        };
        let mut asked = history.clone();
        asked.observe(&look(Source::Api, NOW + DAY * 2, &[1])).unwrap();
        assert_eq!(severity(&asked), Some(Severity::High));
        let text = foreign_keys(&asked, &policy, NOW + DAY * 4)[0].to_string();
        assert!(text.contains("does not have it yet"), "{text}");
        asked.observe(&look(Source::Api, NOW + DAY * 2 + HOUR, &[1])).unwrap();
        assert_eq!(severity(&asked), Some(Severity::Critical));
        history.observe(&look(Source::Api, NOW + DAY * 2 + HOUR, &[1, 2])).unwrap();
        assert_eq!(severity(&history), None);
    }

    /// A key appears in public, watched by the hour, an hour after the API server was last asked.
    fn appeared(announced: &[(u8, Duration)]) -> History {
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
        history.observe(&look(Source::Api, NOW, &[1])).unwrap();
        for (name, lasts) in announced {
            history.expect(key(*name), NOW + DAY, NOW + DAY + *lasts);
        }
        watch(&mut history, &[1, 2], NOW + DAY + HOUR, NOW + DAY * 3, HOUR);
        history.observe(&look(Source::Api, NOW + DAY + HOUR * 2, &[1])).unwrap();
        history
    }

    #[test]
    fn k102_is_silent_for_an_announced_key_and_impatient_with_every_other() {
        let policy = Policy::default();
        let ask = |announced: &[(u8, Duration)], now| {
            foreign_keys(&appeared(announced), &policy, now).pop().map(|found| found.severity)
        };
        let soon = NOW + DAY + HOUR * 2;
        assert_eq!(ask(&[], soon), Some(Severity::High));
        assert_eq!(ask(&[(2, DAY)], soon), None);
        assert_eq!(ask(&[(2, DAY), (3, DAY)], soon), None);
        // Another one was to come.
        assert_eq!(ask(&[(3, DAY)], soon), Some(Severity::Critical));
        let text = foreign_keys(&appeared(&[(3, DAY)]), &policy, soon)[0].to_string();
        assert!(text.contains(&key(3).to_string()) && text.contains("issuer expect"), "{text}");
        // An announcement that was over by then says nothing of it, nor for it.
        assert_eq!(ask(&[(3, HOUR / 2)], soon), Some(Severity::High));
        assert_eq!(ask(&[(2, DAY)], NOW + DAY * 2), Some(Severity::High));
        // Announced afterwards, it is somebody's own.
        let mut history = appeared(&[(3, DAY)]);
        history.expect(key(2), soon, soon + DAY);
        assert_eq!(foreign_keys(&history, &policy, soon), []);
    }

    #[test]
    fn k103_knows_published_examples() {
        let found = exposed_keys(&parse(&[KUBERNETES_TEST_RSA, &KEYS[0].jwk("a")]));
        assert_eq!(found.len(), 1);
        assert!(found[0].evidence[0].contains("Kubernetes"));
        assert!(exposed_keys(&parse(&[&KEYS[0].jwk("a")])).is_empty());
    }

    #[test]
    fn k104_is_a_signature_that_is_not_the_named_keys() {
        let kid = KeyId::parse("a").unwrap();
        assert_eq!(forged_token(&kid, key(1), false).unwrap().id, CheckId::K104);
        assert!(forged_token(&kid, key(1), true).is_none());
    }

    #[test]
    fn k105_compares_hosts() {
        let mut history = History::new(ISSUER);
        assert!(moved(&history, "https://a.example/jwks").is_none());
        history.observe_endpoint(NOW, "https://a.example/jwks");
        assert!(moved(&history, "https://A.example/other").is_none());
        let found = moved(&history, "https://a.example.evil/jwks").unwrap();
        assert!(found.evidence[0].contains("a.example.evil"));
    }

    #[test]
    fn k110_remembers_what_a_kid_named() {
        let mut history = History::new(ISSUER);
        let before = parse(&[&KEYS[0].jwk("a")]);
        history
            .observe(&Sighting::of(Source::Public, Reading::alone(NOW), &before).unwrap())
            .unwrap();
        assert!(reused_kids(&history, &before).is_empty());
        assert!(reused_kids(&history, &parse(&[&KEYS[1].jwk("b")])).is_empty());
        assert_eq!(reused_kids(&history, &parse(&[&KEYS[1].jwk("a")])).len(), 1);
        // A thumbprint is a name that needs no remembering.
        let stolen = KEYS[1].jwk(&Thumbprint::of_spki(&KEYS[0].spki()).to_string());
        assert_eq!(reused_kids(&history, &parse(&[&stolen])).len(), 1);
    }

    #[test]
    fn k111_sees_one_name_for_two_keys() {
        assert_eq!(shared_kids(&parse(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("a")])).len(), 1);
        assert!(shared_kids(&parse(&[&KEYS[0].jwk("a"), &KEYS[0].jwk("a")])).is_empty());
        assert!(shared_kids(&parse(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("b")])).is_empty());
    }
}
