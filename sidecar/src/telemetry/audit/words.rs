//! The closed sets of words that records are found and summed up by.

use serde::{Serialize, Serializer};
use tracing::Level;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The sidecar serves.
    Started,
    /// A caller got an exchange's token for the first time.
    Granted,
    /// A request was refused.
    Refused,
    /// A request got no token, since there is none.
    Failed,
    /// A request could not wait for its token.
    SentAway,
    /// A request was answered that the policy would refuse.
    WouldDeny,
    /// What has had a record came again.
    Repeated,
    /// A projected token was sent without having been checked.
    Unchecked,
    /// Something is to be said against the key that signed the projected token.
    KeyObjection,
    /// A policy, a secret or authorities had changed.
    Reloaded,
    /// Records were lost.
    LinesDropped,
    /// The sidecar ended.
    Ended,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Started,
        Self::Granted,
        Self::Refused,
        Self::Failed,
        Self::SentAway,
        Self::WouldDeny,
        Self::Repeated,
        Self::Unchecked,
        Self::KeyObjection,
        Self::Reloaded,
        Self::LinesDropped,
        Self::Ended,
    ];

    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::SentAway => "sent_away",
            Self::WouldDeny => "would_deny",
            Self::Repeated => "repeated",
            Self::Unchecked => "unchecked",
            Self::KeyObjection => "key_objection",
            Self::Reloaded => "reloaded",
            Self::LinesDropped => "lines_dropped",
            Self::Ended => "ended",
        }
    }

    /// When there is one.
    pub const fn when(self) -> &'static str {
        match self {
            Self::Started => "the sidecar serves",
            Self::Granted => "a caller is handed an exchange's token for the first time",
            Self::Refused => "a request is refused: its shape, its secret, or the policy",
            Self::Failed => "a request gets no token, since there is none to give",
            Self::SentAway => "a request could not wait for its token, or no longer",
            Self::WouldDeny => {
                "a request is answered that the policy would refuse if it were enforced"
            }
            Self::Repeated => {
                "once a minute and at the end: what had a record came again, so often"
            }
            Self::Unchecked => "a projected token is sent to Entra without having been checked",
            Self::KeyObjection => {
                "the key that signed the projected token is overdue or compromised"
            }
            Self::Reloaded => {
                "a changed policy, header secret or CA file is taken up, cannot be used, or is again as the one in use"
            }
            Self::LinesDropped => "lines of this trail were lost, and others can be written again",
            Self::Ended => "the sidecar has answered what was under way, and ends",
        }
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The caller got the token.
    Granted,
    /// It was not let have it; or what had changed cannot be used.
    Refused,
    /// There was no token.
    Failed,
    /// It could not wait.
    SentAway,
    /// It got the token, and would not by an enforced policy.
    WouldDeny,
    /// A key was objected to.
    KeyObjection,
    /// What had changed is in use.
    Applied,
    /// What was no good is again as what is in use.
    Unchanged,
}

impl Outcome {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::SentAway => "sent_away",
            Self::WouldDeny => "would_deny",
            Self::KeyObjection => "key_objection",
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
        }
    }

    /// How much somebody should mind.
    pub(super) const fn level(self) -> Level {
        match self {
            Self::Granted | Self::Applied | Self::Unchanged => Level::INFO,
            _ => Level::WARN,
        }
    }
}

/// What a caller was known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownBy {
    /// The header secret that it showed.
    HeaderSecret,
    /// Nothing: its protocol has no secret.
    Nothing,
}

impl KnownBy {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeaderSecret => "header_secret",
            Self::Nothing => "nothing",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for KnownBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
