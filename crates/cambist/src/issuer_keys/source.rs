//! Where keys may be looked for.

use std::path::PathBuf;
use std::time::Duration;

use cambist_core::issuer::JwksHost;

use crate::event::KeySource;
use crate::transport::Transport;

/// How long one look at one source may take. Whoever waits for it is an app's first request.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A place to look for keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// The issuer's discovery document and the key set it names.
    Public {
        /// Reaches the issuer.
        transport: Transport,
        /// Whether the key set may live elsewhere.
        host: JwksHost,
    },
    /// The cluster's API server, which publishes its keys at `/openid/v1/jwks`. Its discovery
    /// document is not read: on managed clusters that names an address nobody outside can use.
    Api {
        /// Reaches the API server: the cluster's CA alone, never a proxy.
        transport: Transport,
        /// `https://host:port` of the API server.
        server: String,
        /// A projected token whose audience is the API server's.
        token_file: PathBuf,
    },
    /// A file with a key set, such as a mounted ConfigMap.
    File(PathBuf),
}

impl Source {
    pub(super) fn kind(&self) -> KeySource {
        match self {
            Self::Public { .. } => KeySource::Public,
            Self::Api { .. } => KeySource::Api,
            Self::File(_) => KeySource::File,
        }
    }
}
