//! What each check looks at, what shows it, and what has to be looked at for that.

use std::fmt;

use super::finding::CheckId;

/// Something that has to be looked at before a check can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Need {
    /// A key set: the public one, or the API server's.
    KeySet,
    /// The key set that relying parties read.
    PublicSet,
    /// The issuer's discovery document.
    Discovery,
    /// The API server's own key set.
    ApiServer,
    /// A projected token.
    Token,
    /// A history that holds an earlier look.
    History,
    /// A control-plane node's key files.
    Node,
    /// The key files of several nodes, or what several API servers serve.
    SeveralNodes,
    /// The API server's flags, from its static pod manifest.
    Manifest,
    /// The API server's metrics.
    Metrics,
}

impl Need {
    /// In words, for a reader.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeySet => "a key set",
            Self::PublicSet => "the public key set",
            Self::Discovery => "the discovery document",
            Self::ApiServer => "API server",
            Self::Token => "token",
            Self::History => "earlier looks",
            Self::Node => "node",
            Self::SeveralNodes => "several nodes",
            Self::Manifest => "the API server's manifest",
            Self::Metrics => "the API server's metrics",
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A check, described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// What has to be looked at; all of it.
    pub needs: &'static [Need],
    /// What it looks at.
    pub looks_at: &'static str,
    /// The evidence on which it finds something.
    pub shown_by: &'static str,
}

impl About {
    pub(super) const fn of(id: CheckId) -> Self {
        let (needs, looks_at, shown_by) = described(id);
        Self { needs, looks_at, shown_by }
    }
}

type Described = (&'static [Need], &'static str, &'static str);

const fn described(id: CheckId) -> Described {
    use CheckId::*;
    use Need::*;
    match id {
        K001 => (
            &[KeySet],
            "The age of the key that signs, or may sign for all that is known.",
            "Facts that show it to be at least older than the policy's limit and grace: that it was published, signed a token, or existed by a moment. High when it is to be replaced, critical when it is beyond its end. The finding names the facts.",
        ),
        K002 => (
            &[KeySet],
            "The age of keys that no longer sign, or not yet, and are still published.",
            "Facts that show such a key to be at least older than the policy lets any key be published, grace included.",
        ),
        K003 => (
            &[KeySet],
            "Keys of which nothing is shown, either way.",
            "The bounds of the key's age lie on both sides of the limit. A key is shown to be young only by having been seen to appear: by looks at the key set before it was there. A token or the API server can show that it is older, never that it is younger.",
        ),
        K004 => (
            &[KeySet],
            "The history of the key set that counts.",
            "In all that was looked at there was this one key.",
        ),
        K005 => (
            &[KeySet],
            "Facts about one key that cannot both be true.",
            "One fact says that the key was there before another says that it was not. If one of them is a date that is only served with the key, what was seen counts, and the finding only informs; else the key is SUSPECT.",
        ),
        K006 => (
            &[KeySet],
            "The grade of the facts that a verdict rests on.",
            "A key is called OK on facts below attested, or anything on an assumption.",
        ),
        K007 => (
            &[KeySet],
            "When the signing key is to be replaced.",
            "That moment is less than a week away, or past and within the grace.",
        ),
        K008 => (
            &[KeySet, History],
            "The pauses between looks.",
            "Nobody looked for longer than --max-gap before this look, or around the moment at which a published key appeared.",
        ),
        K101 => (
            &[KeySet],
            "Every key that is published, member by member.",
            "A key has members of its private half (d, p, q and so on), or is a shared secret (kty oct). The members' values are neither kept nor printed.",
        ),
        K102 => (
            &[PublicSet, ApiServer],
            "The public key set beside the API server's own.",
            "A public key that the API server, asked at the same time and since, does not publish. Critical once both were watched from before the key appeared until a day after; high until then, since whoever rotates by hand may publish first.",
        ),
        K103 => (
            &[KeySet],
            "The thumbprints of the published keys.",
            "One is that of a key from public examples and tests, whose private half anybody can download.",
        ),
        K104 => (
            &[PublicSet, Token],
            "The signature of the token at hand.",
            "It names a published key, and that key does not verify it.",
        ),
        K105 => (
            &[Discovery, History],
            "The host that the discovery document's jwks_uri leads to.",
            "It is another than the history last saw.",
        ),
        K110 => (
            &[KeySet, History],
            "The key ids of the published keys.",
            "A key id that the history knows as another key's.",
        ),
        K111 => (&[KeySet], "The key ids within one key set.", "Two keys of it have the same one."),
        K112 => (
            &[KeySet, History],
            "Keys that were gone from the key set.",
            "The history saw it published, then gone from complete key sets, and now it is there again.",
        ),
        K113 => (
            &[KeySet, History],
            "When the newest key appeared.",
            "Its predecessor had lived less than half as long as keys usually do, in this history or on this platform. Told for a week.",
        ),
        K190 => (
            &[History],
            "The history's own form: checksum, sequence and dates.",
            "It cannot be read whole, its checksum is not that of its content, its sequence went back, or it holds looks of the future.",
        ),
        K201 => (
            &[PublicSet, Token],
            "The key id in the token's header, and the public key set.",
            "The set has no key of that name, so that whoever reads the set (Entra) cannot verify the token.",
        ),
        K202 => (
            &[PublicSet, ApiServer],
            "The API server's own key set beside the public one.",
            "A key that the API server publishes is not in the public set.",
        ),
        K203 => (
            &[KeySet, History],
            "Keys that are gone, and the tokens that they were seen to sign.",
            "The newest of those tokens may still be valid.",
        ),
        K204 => (
            &[KeySet, History],
            "How long a key and its successor were published together.",
            "At most, it was shorter than the longest life of a token and a cache life together. Told for 90 days.",
        ),
        K205 => (
            &[KeySet, Token, History],
            "When a key first signed, and when a key set without it was last served.",
            "It signed while such a set could still be in somebody's cache.",
        ),
        K206 => (&[KeySet], "How many keys a set has.", "More than five."),
        K207 => (
            &[Token],
            "The life of the token at hand.",
            "Its iat and exp are more than 24 hours apart, or it has warnafter, which extended tokens have.",
        ),
        K208 => (
            &[Token],
            "The age of the token at hand, and of its file.",
            "kubelet replaces it after 80 % of its life or 24 hours, and has not.",
        ),
        K209 => (
            &[Metrics],
            "The metrics of an API server whose tokens an external program signs.",
            "The key set that it fetched from there is older than three times --signer-refresh.",
        ),
        K210 => (
            &[PublicSet, ApiServer, History],
            "The changes of the API server's set and of the public one.",
            "The API server's changed, and a cache life later the public one had not.",
        ),
        K220 => (
            &[KeySet],
            "The platform, and the age of the key that signs.",
            "The platform rotates by itself, so that ages are told and not judged; or its own schedule is overdue by more than a day.",
        ),
        K301 => (&[KeySet], "The moduli of RSA keys.", "One is shorter than 2048 bits."),
        K302 => (&[KeySet], "The exponents of RSA keys.", "One is not 65537."),
        K303 => (
            &[KeySet],
            "The moduli of RSA keys.",
            "One has a small factor, primes that are close to each other, the fingerprint of ROCA (CVE-2017-15361), or shares a prime with another.",
        ),
        K304 => (
            &[KeySet],
            "The algorithm of each key.",
            "It is not RS256, the only one that Entra documents for federated tokens.",
        ),
        K305 => {
            (&[KeySet], "The kind of each key.", "It is none that is known here; it was skipped.")
        }
        K306 => (
            &[KeySet],
            "The members use and key_ops.",
            "They are there and do not allow to verify signatures.",
        ),
        K307 => (
            &[KeySet],
            "The key ids that have the form of a thumbprint.",
            "The key's own thumbprint (SHA-256 of its SubjectPublicKeyInfo, as kube-apiserver names keys) is another.",
        ),
        K308 => (
            &[KeySet],
            "The moduli of RSA keys.",
            "One has 2048 bits or more, but fewer than 3072.",
        ),
        K309 => (
            &[KeySet],
            "The member alg of each key.",
            "It is missing, or goes with another kind of key.",
        ),
        K401 => (
            &[Discovery],
            "The issuer's name: as asked for, in the discovery document, and in the tokens at hand.",
            "They differ, byte for byte, the trailing slash included.",
        ),
        K402 => (
            &[],
            "The issuer's URL, and the jwks_uri.",
            "It is not https, has a query, fragment or user, or an address in place of a host name.",
        ),
        K403 => (&[PublicSet], "The issuer's answers.", "One is a redirect."),
        K404 => {
            (&[Discovery], "The hosts of the issuer and of its jwks_uri.", "They are different.")
        }
        K405 => (
            &[PublicSet],
            "The answer's Date header (and Age, if a cache has held it) beside this machine's clock.",
            "They are more than five minutes apart; high from an hour on.",
        ),
        K406 => (
            &[PublicSet],
            "The status, form and content type of the issuer's answers.",
            "It is no small, well-formed JSON document with status 200. An odd content type alone is low.",
        ),
        K407 => (
            &[PublicSet],
            "The Cache-Control and Age headers of the key set.",
            "There is no max-age, it is longer than tokens live, or a cache has held the set for longer than that.",
        ),
        K408 => (
            &[PublicSet, Discovery],
            "The discovery document's members.",
            "One that OpenID Connect Discovery requires is missing, or the algorithms are not those of the keys.",
        ),
        K409 => (
            &[PublicSet],
            "The TLS connection to the issuer.",
            "Its chain or host name does not verify, it is older than TLS 1.2, or the certificate ends within 14 days.",
        ),
        K410 => (
            &[ApiServer],
            "Who may read the API server's discovery document.",
            "Anybody may, without a token; or this account may not.",
        ),
        K501 => (
            &[Node],
            "The permissions and the owner of sa.key and sa.pub.",
            "More than 0600 and 0644, or another owner than root. Private keys are never opened.",
        ),
        K502 => (
            &[Node, Manifest],
            "The key flags of the API server and of the controller manager.",
            "--service-account-key-file is unset, so that the TLS key verifies tokens; or the two sign with different files.",
        ),
        K503 => (
            &[Node, Manifest],
            "The API server's --service-account-extend-token-expiration.",
            "It is true, or unset, which means the same: tokens of pods live for a year.",
        ),
        K504 => (
            &[Node, Manifest],
            "The API server's --service-account-max-token-expiration.",
            "It is unset, or more than 24 hours.",
        ),
        K505 => (
            &[Node],
            "Copies and other uses of the signing key.",
            "It is also the API server's TLS key, or a copy beside it may be read by anybody.",
        ),
        K506 => (
            &[SeveralNodes],
            "The public keys on several control-plane nodes, or that several API servers serve, within a day.",
            "They are not the same.",
        ),
        K507 => (
            &[Node],
            "The permissions and the owner of service.key of k3s or RKE2.",
            "More than 0600, or another owner than root.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_says_what_it_looks_at_and_what_shows_it() {
        for id in CheckId::ALL {
            let about = id.about();
            for text in [about.looks_at, about.shown_by] {
                assert!(text.ends_with('.') && text.len() > 10, "{id}: {text}");
                assert!(!text.contains("CAMBIST_"), "{id}: a text for every reader: {text}");
            }
            let mut needs = about.needs.to_vec();
            needs.dedup();
            assert_eq!(needs, about.needs, "{id}");
        }
    }
}
