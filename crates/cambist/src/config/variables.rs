//! The variables there are: one table for parsing, flags, help and `docs/configuration.md`.

/// A variable that configures the library.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What its value is, in a word, such as `URL`; a list of them ends with `,...`.
    pub value: &'static str,
    /// What holds without it, in words.
    pub default: &'static str,
    /// What it is for, in a line.
    pub help: &'static str,
}

impl Variable {
    /// A variable with what its value is, what holds without it and what it is for.
    pub const fn new(
        name: &'static str,
        value: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, value, default, help }
    }
}

/// Variables by names that are no longer read, each with its new one: a fault, since nobody would miss
/// what they said otherwise.
pub const RENAMED: &[(&str, &str)] =
    &[("CAMBIST_LEDGER", "CAMBIST_HISTORY"), ("CAMBIST_LEDGER_TRUST", "CAMBIST_HISTORY_TRUST")];

/// The variables that [`Config::from_env`](super::Config::from_env) reads, and after them those by which OpenSSL's
/// programs find the platform's certificates, which are read of the process itself.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "AZURE_TENANT_ID",
        "TENANT",
        "required",
        "The Entra tenant: a GUID or a domain name",
    ),
    Variable::new("AZURE_CLIENT_ID", "ID", "required", "The client id of the identity to act as"),
    Variable::new(
        "AZURE_FEDERATED_TOKEN_FILE",
        "FILE",
        "required",
        "The projected service-account token",
    ),
    Variable::new(
        "AZURE_AUTHORITY_HOST",
        "URL",
        "https://login.microsoftonline.com/",
        "Where tokens are exchanged",
    ),
    Variable::new(
        "CAMBIST_ALLOW_AUTHORITY",
        "URL,...",
        "none",
        "Authority hosts beyond the built-in ones, comma-separated https URLs",
    ),
    Variable::new(
        "AZURE_KUBERNETES_TOKEN_PROXY",
        "URL",
        "none",
        "The token proxy of an AKS cluster with identity bindings, asked instead of the authority",
    ),
    Variable::new(
        "AZURE_KUBERNETES_SNI_NAME",
        "NAME",
        "the host of AZURE_KUBERNETES_TOKEN_PROXY",
        "The token proxy's name in the TLS handshake and in its certificate",
    ),
    Variable::new(
        "AZURE_KUBERNETES_CA_FILE",
        "FILE",
        "the platform's CAs",
        "The CA certificates (PEM) that vouch for the token proxy, read again when they change",
    ),
    Variable::new(
        "AZURE_KUBERNETES_CA_DATA",
        "PEM",
        "none",
        "Those certificates themselves, instead of AZURE_KUBERNETES_CA_FILE",
    ),
    Variable::new(
        "CAMBIST_ISSUER",
        "URL",
        "the token's own issuer, reported as unpinned",
        "The cluster's issuer, byte for byte; required with CAMBIST_KEY_AGE=enforce",
    ),
    Variable::new(
        "CAMBIST_AUDIENCE",
        "AUDIENCE",
        "what the authority's cloud or the token proxy expects",
        "The audience that the projected token must have",
    ),
    Variable::new(
        "CAMBIST_KEYS",
        "SOURCE,...",
        "public",
        "Where to look for the issuer's keys, in order: public, api, file:PATH",
    ),
    Variable::new(
        "CAMBIST_API_TOKEN_FILE",
        "FILE",
        "none",
        "A projected token with the API server's audience, for CAMBIST_KEYS=api",
    ),
    Variable::new(
        "CAMBIST_API_CA_FILE",
        "FILE",
        "the cluster's CA where pods find it",
        "The API server's CA, for CAMBIST_KEYS=api",
    ),
    Variable::new(
        "CAMBIST_JWKS_ANY_HOST",
        "BOOL",
        "false",
        "Whether the issuer's key set may live on another host",
    ),
    Variable::new(
        "CAMBIST_CA_FILE",
        "FILE",
        "none",
        "More CA certificates (PEM) for Entra and the issuer",
    ),
    Variable::new(
        "CAMBIST_ENTRA_CA_FILE",
        "FILE",
        "CAMBIST_CA_FILE",
        "More CA certificates for Entra alone",
    ),
    Variable::new(
        "CAMBIST_ISSUER_CA_FILE",
        "FILE",
        "CAMBIST_CA_FILE",
        "More CA certificates for the issuer alone",
    ),
    Variable::new(
        "CAMBIST_KEY_AGE",
        "MODE",
        "audit",
        "off, audit or enforce: enforce refuses tokens whose key is overdue or has its private half public, and holds those that cannot be checked",
    ),
    Variable::new(
        "CAMBIST_PLATFORM",
        "PLATFORM",
        "told by the issuer",
        "aks, aks-arc, aks-edge, arc-k3s, eks, gke, openshift, kubeadm, kops, gardener or other",
    ),
    Variable::new(
        "CAMBIST_ROTATE_AFTER",
        "DURATION",
        "45d; 90d on arc-k3s, none on aks, eks and gke",
        "How old the signing key may get before it is DUE, such as 45d",
    ),
    Variable::new(
        "CAMBIST_EXPIRE_AFTER",
        "DURATION",
        "90d; 104d on arc-k3s, none on aks, eks and gke",
        "How old a published key may get before it is OVERDUE, such as 90d",
    ),
    Variable::new(
        "CAMBIST_KEY_AGE_EXEMPT",
        "KEY@DATE,...",
        "none",
        "Keys that enforce lets pass until a day is over, as THUMBPRINT@YYYY-MM-DD",
    ),
    Variable::new(
        "CAMBIST_HISTORY",
        "FILE",
        "none",
        "A key history that `cambist issuer observe` keeps, mounted to be read",
    ),
    Variable::new(
        "CAMBIST_HISTORY_TRUST",
        "GRADE",
        "attested",
        "How far that history is believed: attested, asserted or assumed",
    ),
    Variable::new(
        "CAMBIST_LEEWAY",
        "DURATION",
        "5m",
        "How far the clocks of cluster and pod may differ, such as 90s",
    ),
    Variable::new(
        "CAMBIST_MAX_TOKEN_LIFETIME",
        "DURATION",
        "24h",
        "The longest accepted life of a projected token, such as 12h; Entra itself takes 25h at most",
    ),
    Variable::new(
        "CAMBIST_ALLOW_DEFAULT_ACCOUNT",
        "ACCOUNT,...",
        "none",
        "`default` accounts to accept, as system:serviceaccount:NAMESPACE:default",
    ),
    Variable::new(
        "HTTPS_PROXY",
        "URL",
        "none",
        "The proxy on the way to Entra and the public issuer",
    ),
    Variable::new("NO_PROXY", "NAME,...", "none", "Hosts that are reached without the proxy"),
    Variable::new(
        "SSL_CERT_FILE",
        "FILE",
        "the platform's",
        "CA certificates (PEM) that are trusted in place of the platform's; CAMBIST_CA_FILE adds to them",
    ),
    Variable::new(
        "SSL_CERT_DIR",
        "DIR",
        "the platform's",
        "A directory of such certificates, in place of the platform's, too",
    ),
];
