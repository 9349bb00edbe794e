//! Why there are no keys to check a token by.

use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::KeyId;

/// The longest pause that anybody is asked for: the next look after a failed one comes within it, and
/// after a good one it costs nothing to ask again.
pub(super) const MOST_PAUSE: Duration = Duration::from_secs(5);

/// There are no keys to check a token by, for now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct KeysError {
    kind: Kind,
    again_in: Duration,
}

#[derive(Clone, Debug, thiserror::Error)]
enum Kind {
    /// No source gave a usable key set, and none is held: what each of them said.
    #[error("no keys of the issuer {issuer} could be had: {problems}")]
    Unavailable { issuer: Foreign, problems: String },
    /// The held set does not have the key, and was read before anybody asked for that.
    #[error(
        "the keys of the issuer {issuer} were read a moment ago, and {key} was not among them; they are looked for again in {}",
        in_secs(*.again_in)
    )]
    Pending { issuer: Foreign, key: String, again_in: Duration },
}

impl KeysError {
    pub(super) fn unavailable(
        issuer: &IssuerUrl,
        problems: Option<&str>,
        again_in: Duration,
    ) -> Self {
        let issuer = Foreign::new(issuer.as_str());
        let problems = problems.unwrap_or("no look for them came to an end yet");
        Self { kind: Kind::Unavailable { issuer, problems: problems.to_owned() }, again_in }
    }

    pub(super) fn pending(issuer: &IssuerUrl, kid: Option<&KeyId>, again_in: Duration) -> Self {
        let issuer = Foreign::new(issuer.as_str());
        let key = kid.map_or("a single usable one".to_owned(), |kid| format!("the key {kid}"));
        Self { kind: Kind::Pending { issuer, key, again_in }, again_in }
    }

    /// Whether keys are held, and only nobody can say yet whether the token's is a new one or none.
    pub fn is_pending(&self) -> bool {
        matches!(self.kind, Kind::Pending { .. })
    }

    /// How long it is of no use to ask again: at most 5 seconds.
    pub fn retry_after(&self) -> Duration {
        self.again_in.min(MOST_PAUSE)
    }

    /// How long it is until somebody may look again.
    pub(super) fn again_in(&self) -> Duration {
        self.again_in
    }
}

fn in_secs(pause: Duration) -> String {
    format!("{} s", pause.as_secs().max(1))
}
