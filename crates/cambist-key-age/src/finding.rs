//! Findings: what a check has to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::about::About;
use super::platform::Platform;
use super::remedy;
use cambist_core::jwks::Thumbprint;

/// How bad a finding is, the mildest first. A closed scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "reports give each a colour, a level and a score of its own"
)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth tidying up.
    Low,
    /// Plan to mend it.
    Medium,
    /// Mend it soon.
    High,
    /// Mend it now.
    Critical,
}

impl Severity {
    const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word it is printed and configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or(())
    }
}

macro_rules! checks {
    ($($id:ident $severity:ident: $title:literal,)*) => {
        /// The checks. Their names stand in outputs, rules and dashboards, and do not change.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[non_exhaustive]
        pub enum CheckId {
            $(#[doc = $title] $id,)*
        }

        impl CheckId {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$id => stringify!($id),)*
                }
            }

            /// How bad its findings are, unless a finding says otherwise.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$id => Severity::$severity,)*
                }
            }

            /// What it finds, in a few words.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$id => $title,)*
                }
            }
        }
    };
}

checks! {
    K001 High: "the signing key is older than the policy allows",
    K002 High: "a retired key is still published beyond its end",
    K003 Medium: "the history is too short to tell how old a key is",
    K004 Info: "only one key was ever seen: no rotation is on record",
    K005 Medium: "the evidence contradicts itself",
    K006 Low: "the verdict rests on assumed evidence",
    K007 Medium: "the signing key is to be rotated soon",
    K008 Medium: "observations paused for too long",
    K101 Critical: "the key set publishes a secret",
    K102 Critical: "the public key set has a key that the API server never published",
    K103 Critical: "the key is a published example, whose private half anybody may have",
    K104 Critical: "a token does not verify under the key that it names",
    K105 Critical: "the issuer's key set moved to another host",
    K110 Critical: "a key id was given to another key",
    K111 High: "two keys of one set have the same key id",
    K112 High: "a retired key is published again",
    K113 Info: "a new key appeared well ahead of the usual schedule",
    K190 High: "the recorded history is damaged, rolled back or of the future",
    K201 Critical: "the current token's key is not published: federation fails now",
    K202 High: "the API server's key is missing from the public key set",
    K203 High: "a key was removed while tokens that it signed may be valid",
    K204 Medium: "keys overlap for too short a time",
    K205 Medium: "a key signed before relying parties could know it",
    K206 Medium: "the key set has too many keys",
    K207 High: "tokens live for longer than 24 hours",
    K208 Medium: "the projected token is not being refreshed",
    K209 Low: "the external signer's key set is stale",
    K210 Low: "the API server's keys changed, the public key set did not",
    K220 Info: "the platform rotates on a schedule of its own",
    K301 Critical: "the RSA key is shorter than 2048 bits",
    K302 High: "the RSA exponent is not 65537",
    K303 High: "the RSA modulus can be factored",
    K304 High: "the key is not for RS256, the one algorithm that Entra supports",
    K305 Info: "a key of an unknown kind was skipped",
    K306 Low: "the key is not declared for verifying signatures",
    K307 Low: "the key id is not the key's thumbprint",
    K308 Low: "the RSA key has 2048 bits; 3072 last longer",
    K309 Medium: "the key's algorithm is missing or not of its kind",
    K401 Critical: "issuer names differ",
    K402 High: "an issuer URL is not acceptable",
    K403 Medium: "the issuer redirects",
    K404 Medium: "the key set is on another host than the issuer",
    K405 Low: "this clock and the issuer's differ",
    K406 Medium: "the issuer's answer is malformed",
    K407 Medium: "the key set is cached badly",
    K408 Low: "the discovery document is incomplete",
    K409 Medium: "the issuer's TLS is weak or about to fail",
    K410 Info: "who may read the cluster's discovery document",
    K501 High: "the key file's permissions or owner are too wide",
    K502 Medium: "the API server's key flags are unset or disagree",
    K503 Medium: "tokens are extended to a year",
    K504 Low: "the longest token life is not limited",
    K505 Medium: "the signing key is used or copied elsewhere",
    K506 Medium: "control-plane nodes disagree about the keys",
    K507 High: "the k3s or RKE2 key file's permissions are too wide",
}

impl CheckId {
    /// Whether it can make a key, or the issuer, SUSPECT: K101 to K190 but for K113, because to rotate
    /// often is good; and K303, because whoever can factor a key can sign with it.
    ///
    /// Whether a finding does so: [`Finding::is_suspicion`].
    pub fn is_suspicion(self) -> bool {
        let in_range = (Self::K101..=Self::K190).contains(&self) && self != Self::K113;
        in_range || self == Self::K303
    }

    /// Whether it says that others can have the private half: the only findings besides age that may
    /// stop an exchange.
    pub const fn is_compromise(self) -> bool {
        matches!(self, Self::K101 | Self::K103 | Self::K303)
    }

    /// What it looks at, what shows it, and what has to be looked at for that.
    pub const fn about(self) -> About {
        About::of(self)
    }

    /// What to do about it on a platform.
    ///
    /// ```
    /// use cambist_key_age::{CheckId, Platform};
    ///
    /// assert!(CheckId::K001.remediation(Platform::Aks).contains("rotate-signing-keys"));
    /// ```
    pub fn remediation(self, platform: Platform) -> String {
        remedy::text(self, platform)
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CheckId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|id| id.as_str() == text).copied().ok_or(())
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// Which check.
    pub id: CheckId,
    /// How bad it is here.
    pub severity: Severity,
    /// The key it is about, if it is about one.
    pub key: Option<Thumbprint>,
    /// What was seen, and what it was compared with.
    pub evidence: Vec<String>,
}

impl Finding {
    /// A finding of the check's usual severity.
    pub fn new(id: CheckId, key: Option<Thumbprint>, evidence: String) -> Self {
        Self { id, severity: id.severity(), key, evidence: vec![evidence] }
    }

    /// The same finding, of another severity.
    #[must_use]
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Whether it makes its key, or the issuer, SUSPECT: one of a check that can, as bad as that check
    /// is. (A K102 that is not sure yet is not.)
    pub fn is_suspicion(&self) -> bool {
        self.id.is_suspicion() && self.severity >= self.id.severity()
    }

    /// What to do about it on a platform.
    pub fn remediation(&self, platform: Platform) -> String {
        self.id.remediation(platform)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}) {}: {}",
            self.id,
            self.severity,
            self.id.title(),
            self.evidence.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_factor_a_key_makes_it_suspect() {
        assert!(CheckId::K303.is_suspicion() && CheckId::K102.is_suspicion());
        assert!(!CheckId::K302.is_suspicion() && !CheckId::K001.is_suspicion());
        assert!(!CheckId::K113.is_suspicion());
        let unsure = Finding::new(CheckId::K102, None, String::new()).severity(Severity::High);
        assert!(!unsure.is_suspicion() && unsure.severity(Severity::Critical).is_suspicion());
    }

    #[test]
    fn checks_are_numbered_once_and_in_order() {
        assert!(CheckId::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        for id in CheckId::ALL {
            assert_eq!(id.as_str().parse(), Ok(*id));
            assert!(!id.title().is_empty());
        }
        assert!(CheckId::K190.is_suspicion() && !CheckId::K201.is_suspicion());
        assert!(!CheckId::K008.is_suspicion());
        let compromises: Vec<_> = CheckId::ALL.iter().filter(|id| id.is_compromise()).collect();
        assert_eq!(compromises, [&CheckId::K101, &CheckId::K103, &CheckId::K303]);
    }
}
