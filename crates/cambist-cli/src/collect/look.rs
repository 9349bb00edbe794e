//! What one look at an issuer brought: plain data that can be carried elsewhere and judged there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambist_core::clock::{Reading, UnixTime};
use cambist_core::headers;
use cambist_core::jwks::Thumbprint;
use cambist_core::token::{Claims, ProjectedToken};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::NamedBy;
use crate::text::for_flags;

/// The version of a bundle's form.
pub(crate) const VERSION: u32 = 1;

/// One look. Nothing in it is secret: of a token there are its dates and its key, of a key file its
/// metadata.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Look {
    pub(crate) schema_version: u32,
    /// The issuer, byte for byte.
    pub(crate) issuer: String,
    /// Who says that it is this one.
    #[serde(default)]
    pub(crate) named_by: NamedBy,
    /// When it began, by the collector's clock.
    pub(crate) at: UnixTime,
    /// What the issuer's URL leads to.
    pub(crate) public: Endpoint,
    /// What the API server says.
    pub(crate) api: Endpoint,
    /// The projected tokens.
    pub(crate) tokens: Vec<TokenSeen>,
    /// The control-plane nodes' files and flags.
    pub(crate) nodes: Vec<NodeSeen>,
    /// The API server's metrics.
    #[serde(default)]
    pub(crate) metrics: Option<MetricsSeen>,
    /// Why the issuer's TLS did not verify.
    #[serde(default)]
    pub(crate) tls_fault: Option<String>,
    /// Who may read the API server's discovery document, if it was asked.
    #[serde(default)]
    pub(crate) discovery_access: Option<Access>,
    /// What could not be had, and why.
    pub(crate) problems: Vec<Problem>,
    /// Looks from other places that are judged along with this one, the latest.
    #[serde(skip)]
    pub(crate) others: Vec<Look>,
}

/// Who may read a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Access {
    /// Anybody, without a token.
    Anonymous,
    /// Whoever has a token of the cluster's.
    Authenticated,
    /// Not even the account that asked.
    Denied,
}

/// A discovery document and a key set, as served.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Endpoint {
    pub(crate) discovery: Option<Reply>,
    pub(crate) jwks: Option<Reply>,
}

/// An HTTP reply.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reply {
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The body is no UTF-8; what is not was replaced.
    #[serde(default)]
    pub(crate) lossy: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) age: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) location: Option<String>,
    /// The end of the certificate that the server showed, where the connection tells.
    #[serde(default)]
    pub(crate) certificate_ends: Option<UnixTime>,
}

/// A projected token: what it says, and whether a key set bears it out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenSeen {
    pub(crate) path: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) kid: Option<String>,
    pub(crate) issued_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    /// `warnafter`: it was extended for old clients.
    pub(crate) warn_after: Option<UnixTime>,
    /// When its file was last replaced.
    pub(crate) changed: Option<UnixTime>,
    pub(crate) signature: Signature,
}

/// Whether the token's signature was verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub(crate) enum Signature {
    /// With this key, which that key set has.
    Verified {
        /// The key.
        key: Thumbprint,
        /// Whether the issuer itself publishes it, or only the API server.
        public: bool,
    },
    /// The key it names says no.
    Bad {
        /// What was compared.
        detail: String,
    },
    /// Nobody could tell: no key set has the key, or it cannot be used.
    Unchecked {
        /// Why.
        detail: String,
    },
}

/// A control-plane node's key files and flags.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeSeen {
    /// Where it was mounted; with several bundles, the bundle's name before it.
    pub(crate) root: String,
    pub(crate) files: Vec<FileSeen>,
    pub(crate) flags: Option<FlagsSeen>,
}

/// What an API server's metrics say of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MetricsSeen {
    /// Where they were read.
    pub(crate) path: String,
    /// Of when they are.
    pub(crate) at: UnixTime,
    /// When the process started.
    pub(crate) started: Option<UnixTime>,
    /// There is an external signer (KEP-740).
    pub(crate) external_signer: bool,
    /// Of when its keys are, by its own word.
    pub(crate) signer_data: Option<UnixTime>,
    /// When they were last fetched.
    pub(crate) signer_fetched: Option<UnixTime>,
}

/// What `stat` says of a file, and for public keys whose they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileSeen {
    /// As on the node.
    pub(crate) path: String,
    pub(crate) kind: FileKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) changed: Option<UnixTime>,
    pub(crate) modified: Option<UnixTime>,
    pub(crate) born: Option<UnixTime>,
    /// The keys in a public key file.
    pub(crate) keys: Vec<Thumbprint>,
}

/// What a key file is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FileKind {
    /// What signs, such as kubeadm's `sa.key`: never opened.
    #[default]
    Private,
    /// What verifies, such as kubeadm's `sa.pub`.
    Public,
    /// k3s' and RKE2's `service.key` and `service.current.key`: never opened.
    Service,
    /// A copy of a private key that lies beside the original.
    Backup,
}

/// The API server's flags that say something of keys and tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FlagsSeen {
    /// Where they were read.
    pub(crate) path: String,
    pub(crate) issuers: Vec<String>,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) key_files: Vec<String>,
    pub(crate) signing_key_file: Option<String>,
    pub(crate) signing_endpoint: Option<String>,
    pub(crate) tls_private_key_file: Option<String>,
    pub(crate) extend_token_expiration: Option<bool>,
    pub(crate) max_token_expiration_seconds: Option<u64>,
    pub(crate) anonymous_auth: Option<bool>,
    /// The controller manager's key, from the manifest beside.
    pub(crate) controller_manager_key_file: Option<String>,
}

/// Something that could not be had.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Problem {
    /// Where: `public`, `api`, `token`, `node`, `manifest`, `metrics`, `history`.
    pub(crate) place: String,
    /// What, and how to mend it.
    pub(crate) detail: String,
}

impl Look {
    pub(crate) fn new(issuer: &str, at: UnixTime) -> Self {
        Self {
            schema_version: VERSION,
            issuer: issuer.to_owned(),
            named_by: NamedBy::default(),
            at,
            public: Endpoint::default(),
            api: Endpoint::default(),
            tokens: Vec::new(),
            nodes: Vec::new(),
            metrics: None,
            tls_fault: None,
            discovery_access: None,
            problems: Vec::new(),
            others: Vec::new(),
        }
    }

    /// This look and those from other places, in the order of their time.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Self> {
        self.others.iter().chain([self])
    }

    pub(crate) fn problem(&mut self, place: &str, detail: impl std::fmt::Display) {
        let detail = for_flags(&detail.to_string());
        self.problems.push(Problem { place: place.to_owned(), detail });
    }
}

impl TokenSeen {
    /// The claims as the core reads them.
    pub(crate) fn claims(&self) -> Option<Claims> {
        let payload = json!({
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.audiences,
            "iat": self.issued_at,
            "exp": self.expires_at,
            "kubernetes.io": self.warn_after.map_or(json!({}), |at| json!({ "warnafter": at })),
        });
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let unsigned = format!("{}.{}.", part(json!({ "alg": "none" })), part(payload));
        Some(ProjectedToken::parse(&unsigned).ok()?.claims().clone())
    }

    /// Why nobody knows that a key of the issuer signed it.
    pub(crate) fn unverified(&self) -> Option<&str> {
        match &self.signature {
            Signature::Verified { .. } => None,
            Signature::Bad { detail } | Signature::Unchecked { detail } => Some(detail),
        }
    }

    /// The key that signed it, if that was verified.
    pub(crate) fn signer(&self) -> Option<Thumbprint> {
        match self.signature {
            Signature::Verified { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl Reply {
    /// For how long the reply says it may be kept.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        headers::max_age(self.cache_control.as_deref())
    }

    /// For how long it has been in a cache.
    pub(crate) fn in_cache(&self) -> Duration {
        self.age.as_deref().and_then(headers::seconds).unwrap_or_default()
    }

    /// The server's clock when the reply arrived: `Date`, and the time since in a cache.
    pub(crate) fn server_time(&self) -> Option<UnixTime> {
        Some(headers::date(self.date.as_deref()?)? + self.in_cache())
    }

    /// When it came, by a clock that said `at`, and how wrong that is by the server's.
    pub(crate) fn reading(&self, at: UnixTime) -> Reading {
        match self.server_time() {
            Some(server) => Reading::against(at, Reading::alone(server)),
            None => Reading::alone(at),
        }
    }

    /// The body of a success.
    pub(crate) fn ok(&self) -> Option<&str> {
        (self.status == 200).then_some(self.body.as_str())
    }
}
