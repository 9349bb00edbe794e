//! Facts: what is known of a key, how well, and from where.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Subject {
    /// The key pair was made. Always the first of all.
    Born,
    /// The public half was first published, so that others began to trust it.
    Trusted,
    /// It first signed a token.
    Signing,
    /// It was last published.
    Retired,
}

/// How well a fact is known, the weakest first. A closed scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "verdicts rest on the order of this scale")]
pub enum Grade {
    /// A guess that somebody chose to make.
    Assumed,
    /// Metadata that whoever serves or stores the object could have set.
    Asserted,
    /// Vouched for by a third party, such as a cloud's audit log or a history that others write.
    Attested,
    /// Our own authenticated observation, or something only the API server can set.
    Proven,
}

impl Grade {
    /// Every grade, the strongest first.
    pub const ALL: [Self; 4] = [Self::Proven, Self::Attested, Self::Asserted, Self::Assumed];

    /// The word it is printed and configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assumed => "assumed",
            Self::Asserted => "asserted",
            Self::Attested => "attested",
            Self::Proven => "proven",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Grade {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|grade| grade.as_str() == text).ok_or(())
    }
}

/// The kinds of evidence. Their numbers stand in outputs and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Evidence {
    /// A key set was seen with the key in it.
    E1,
    /// A complete key set was seen without the key, before it was first seen with it.
    E2,
    /// A token whose signature was verified with the key, by its `iat`.
    E3,
    /// The certificate in the key's `x5c`.
    E4,
    /// Dates that stand in the JWK itself.
    E5,
    /// The `Last-Modified` of the published key set.
    E6,
    /// Metadata of the Kubernetes object that holds the key.
    E7,
    /// The key file's times on a control-plane node.
    E8,
    /// The start of the API server process that publishes the key.
    E9,
    /// An external signer's timestamps: how fresh its set is, never how old a key.
    E10,
    /// The API server's flags: how long tokens live, never how old a key.
    E11,
    /// Metadata of a legacy token Secret signed with the key.
    E12,
    /// A control plane's record of the rotation.
    E13,
    /// The cluster's creation, assuming that its installer made the key.
    E14,
    /// A transparency log; none exists for these keys today.
    E15,
    /// The platform's usual schedule: what to compare with, never evidence of an age.
    E16,
}

/// Where a key set was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Source {
    /// What the issuer URL's discovery document leads to: what Entra reads.
    Public,
    /// The API server's own `/openid/v1/jwks`.
    Api,
    /// A file somebody put there.
    File,
}

impl Source {
    /// The word it is printed by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Api => "api",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is known of one key.
///
/// Made by the constructors of [`super::evidence`], which hold each source to what it may prove.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Fact {
    /// The key.
    pub key: Thumbprint,
    /// What happened to it.
    pub subject: Subject,
    /// It had not happened before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixTime>,
    /// It had happened by this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixTime>,
    /// How well this is known.
    pub grade: Grade,
    /// The kind of evidence.
    pub source: Evidence,
    /// When the evidence was taken.
    pub at: UnixTime,
    /// In words, for people.
    pub detail: String,
}

impl Fact {
    /// The same fact, known no better than `trust`: for what a shared history or a bundle says.
    #[must_use]
    pub fn at_most(self, trust: Grade) -> Self {
        Self { grade: self.grade.min(trust), ..self }
    }

    /// The same fact by a clock that may have been wrong by `error` then.
    #[must_use]
    pub fn give_or_take(self, error: Duration) -> Self {
        let not_before = self.not_before.map(|moment| moment - error);
        let not_after = self.not_after.map(|moment| moment + error);
        Self { not_before, not_after, ..self }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({}): {}", self.source, self.grade, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_are_ordered_and_capped() {
        assert!(Grade::Proven > Grade::Attested && Grade::Attested > Grade::Asserted);
        assert!(Grade::Asserted > Grade::Assumed);
        let key = Thumbprint::of_spki(b"k");
        let fact = Fact::published(key, UnixTime::from_secs(1), Source::Public);
        assert_eq!(fact.clone().at_most(Grade::Attested).grade, Grade::Attested);
        assert_eq!(fact.clone().at_most(Grade::Proven), fact);
        assert_eq!("attested".parse(), Ok(Grade::Attested));
        assert!("sworn".parse::<Grade>().is_err());
    }

    #[test]
    fn facts_survive_a_journey_as_json() {
        let key = Thumbprint::of_spki(b"k");
        let fact = Fact::published(key, UnixTime::from_secs(1), Source::Public);
        let json = serde_json::to_string(&fact).unwrap();
        assert!(
            json.contains(r#""subject":"trusted","notAfter":1,"grade":"proven","source":"E1""#)
        );
        assert_eq!(serde_json::from_str::<Fact>(&json).unwrap(), fact);
    }
}
