//! Why there are no keys to check a token by.

use std::path::PathBuf;
use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::issuer::{DiscoveryError, IssuerUrl};
use cambist_core::jwks::{KeyError, KeyId, KeySetError};
use http::StatusCode;

use crate::files::FileFault;
use crate::token_file::TokenFileError;
use crate::transport::TransportError;

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

/// Why a place gave no usable key set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It could not be reached, or not be understood.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It answered with something else than success.
    #[error("{url} answered {status}{}", hint(*.status))]
    Status {
        /// What was asked for.
        url: Foreign,
        /// The answer.
        status: StatusCode,
    },
    /// The discovery document is not acceptable.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The key set is not acceptable.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// The set has keys but none that can verify anything.
    #[error("none of the {0} published keys can be used; the first: {1}")]
    NoUsableKey(usize, KeyError),
    /// The URL cannot be asked for.
    #[error("{0} is no URL that can be asked for")]
    Url(Foreign),
    /// The token for the API server cannot be read.
    #[error("the API server's token: {0}")]
    Token(#[from] TokenFileError),
    /// The token for the API server is one for Entra, and is not sent.
    #[error(
        "the API server's token: {} has the audience {audience}, which Entra gives Azure tokens for, so that it is not sent; name a projected token with the API server's audience", .path.display()
    )]
    Exchangeable {
        /// The file.
        path: PathBuf,
        /// What is not the API server's.
        audience: Foreign,
    },
    /// The key-set file cannot be read.
    #[error("the key set file {} {fault}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: FileFault,
    },
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "; redirects are not followed: configure the address it points to",
        401 => {
            "; it asks for credentials, or does not accept the token: has that the API server's audience?"
        }
        403 => "; bind the ClusterRole system:service-account-issuer-discovery to the account",
        406 => "; it has the document in none of the forms that cambist asks for",
        407 => "; the proxy asks for credentials",
        _ => "",
    }
}
