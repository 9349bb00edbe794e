//! K201, K207 and K208: what the token at hand shows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::finding::{CheckId, Finding};
use crate::policy::Policy;
use crate::published::PublishedSet;
use crate::words::span;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::KeyId;
use cambist_core::token::Claims;

/// The longest life a projected token should have.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// K201: the key that the current token names is not public, so Entra cannot verify it.
/// `api` are the names the API server publishes, if it was asked.
pub fn not_published(
    kid: &KeyId,
    public: &PublishedSet,
    api: Option<&PublishedSet>,
) -> Option<Finding> {
    let names = |set: &PublishedSet| -> BTreeSet<String> {
        set.keys().iter().filter_map(|key| key.kid.clone()).collect()
    };
    let held = |set: &PublishedSet| {
        let key = set.keys().iter().find(|key| key.kid.as_deref() == Some(kid.as_str()));
        key.and_then(|key| key.thumbprint)
    };
    let missing = !names(public).contains(kid.as_str());
    let at_api = match api.map(|api| names(api).contains(kid.as_str())) {
        Some(true) => "; the API server publishes it",
        Some(false) => "; the API server does not publish it either",
        None => "",
    };
    let text = format!("the token names {kid}, which the public key set lacks{at_api}");
    missing.then(|| Finding::new(CheckId::K201, api.and_then(held), text))
}

/// K207: tokens outlive a day, so that a retired key must stay published as long.
pub fn long_lived(claims: &Claims, policy: &Policy) -> Option<Finding> {
    let life = claims.expires_at.since(claims.issued_at);
    let extended = claims.bound.warn_after.is_some();
    let text = format!(
        "the token lives for {}{}: retired keys have to stay published for {}",
        span(life),
        if extended { " (extended: it has warnafter)" } else { "" },
        span(life + policy.cache_life)
    );
    (life > DAY || extended).then(|| Finding::new(CheckId::K207, None, text))
}

/// K208: kubelet has not replaced the token when it should have: at 24 hours, or at 80 % of its life.
/// `changed` is when the file was last replaced.
pub fn not_refreshed(claims: &Claims, changed: Option<UnixTime>, now: UnixTime) -> Option<Finding> {
    let age = now.since(claims.issued_at);
    let due = claims.expires_at.since(claims.issued_at) / 5 * 4 + Duration::from_secs(120);
    let unchanged = changed.map(|changed| now.since(changed));
    let text = match unchanged {
        Some(unchanged) if unchanged > due => {
            format!("the file is unchanged for {}, due after {}", span(unchanged), span(due))
        }
        _ if age > DAY + Duration::from_secs(2 * 3600) => {
            format!("the token was issued {} ago; kubelet replaces it within 24h", span(age))
        }
        _ => return None,
    };
    Some(Finding::new(CheckId::K208, None, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{KEYS, NOW, b64, header, set};
    use crate::vectors::HOUR;
    use cambist_core::token::ProjectedToken;

    fn claims(life: Duration, warn_after: Option<UnixTime>) -> Claims {
        let (iat, exp) = (NOW.as_secs(), (NOW + life).as_secs());
        let own =
            warn_after.map_or("{}".to_owned(), |at| format!(r#"{{"warnafter":{}}}"#, at.as_secs()));
        let payload = format!(
            r#"{{"iss":"i","sub":"s","aud":["a"],"iat":{iat},"exp":{exp},"kubernetes.io":{own}}}"#
        );
        let token = format!("{}.{}.", b64(header("a")), b64(payload));
        ProjectedToken::parse(&token).unwrap().claims().clone()
    }

    #[test]
    fn k201_names_the_key_that_federation_lacks() {
        let of = |kid: &str| PublishedSet::parse(set(&[&KEYS[0].jwk(kid)]).as_bytes()).unwrap();
        let kid = KeyId::parse("a").unwrap();
        let found = not_published(&kid, &of("b"), Some(&of("a"))).unwrap();
        assert!(found.key.is_some() && found.evidence[0].contains("API server publishes it"));
        assert!(not_published(&kid, &of("b"), Some(&of("c"))).unwrap().key.is_none());
        assert!(not_published(&kid, &of("a"), None).is_none());
    }

    #[test]
    fn k207_is_longer_than_a_day_or_extended() {
        let policy = Policy::default();
        assert!(long_lived(&claims(DAY, None), &policy).is_none());
        assert!(long_lived(&claims(DAY + HOUR, None), &policy).is_some());
        assert!(long_lived(&claims(HOUR, Some(NOW)), &policy).is_some());
    }

    #[test]
    fn k208_follows_kubelets_schedule() {
        let hour = claims(HOUR, None);
        let minutes = |minutes: u32| NOW + Duration::from_secs(60) * minutes;
        assert!(not_refreshed(&hour, Some(NOW), minutes(50)).is_none());
        assert!(not_refreshed(&hour, Some(NOW), minutes(51)).is_some());
        assert!(not_refreshed(&hour, None, minutes(51)).is_none());
        let year = claims(DAY * 365, Some(NOW));
        assert!(not_refreshed(&year, Some(NOW), NOW + HOUR * 26).is_none());
        assert!(not_refreshed(&year, Some(NOW), NOW + HOUR * 27).is_some());
    }
}
