//! K202, K206 and K209: whether the sets that should agree do.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::finding::{CheckId, Finding};
use crate::policy::Policy;
use crate::published::PublishedSet;
use crate::words::span;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// K202: the API server publishes a key that relying parties cannot see.
pub fn not_public(api: &BTreeSet<Thumbprint>, public: &BTreeSet<Thumbprint>) -> Vec<Finding> {
    let finding = |key: &Thumbprint| {
        let text = "the API server publishes it, the public key set does not".to_owned();
        Finding::new(CheckId::K202, Some(*key), text)
    };
    api.difference(public).map(finding).collect()
}

/// K206: more keys than a rotation needs.
pub fn too_many_keys(set: &PublishedSet, policy: &Policy) -> Option<Finding> {
    let (found, most) = (set.keys().len(), policy.max_keys);
    let text = format!("{found} keys are published, more than {most}");
    (found > most).then(|| Finding::new(CheckId::K206, None, text))
}

/// What an external signer's metrics say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever reads the metrics fills it in whole")]
pub struct ExternalSigner {
    /// Of when its key set is (`apiserver_externaljwt_fetch_keys_data_timestamp`).
    pub data: UnixTime,
    /// How often the API server is told to fetch it.
    pub refresh_hint: Duration,
}

/// K209: the API server's copy of an external signer's set is older than three refreshes.
pub fn stale_signer(signer: ExternalSigner, now: UnixTime) -> Option<Finding> {
    let age = now.since(signer.data);
    let text =
        format!("its set is {} old, to be fetched every {}", span(age), span(signer.refresh_hint));
    (age > signer.refresh_hint.saturating_mul(3)).then(|| Finding::new(CheckId::K209, None, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;
    use crate::vectors::key;

    #[test]
    fn k202_is_what_the_api_server_has_and_the_public_set_lacks() {
        let of = |names: &[u8]| names.iter().map(|name| key(*name)).collect::<BTreeSet<_>>();
        assert_eq!(not_public(&of(&[1, 2]), &of(&[2, 3]))[0].key, Some(key(1)));
        assert!(not_public(&of(&[2]), &of(&[2, 3])).is_empty());
    }

    #[test]
    fn k206_counts() {
        let of = |count: usize| {
            let body = crate::testing::set(&vec![r#"{"kty":"AKP"}"#; count]);
            PublishedSet::parse(body.as_bytes()).unwrap()
        };
        assert!(too_many_keys(&of(5), &Policy::default()).is_none());
        assert!(too_many_keys(&of(6), &Policy::default()).is_some());
    }

    #[test]
    fn k209_allows_three_refreshes() {
        let signer = ExternalSigner { data: NOW, refresh_hint: Duration::from_secs(60) };
        assert!(stale_signer(signer, NOW + Duration::from_secs(180)).is_none());
        assert!(stale_signer(signer, NOW + Duration::from_secs(181)).is_some());
    }
}
