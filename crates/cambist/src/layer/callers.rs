//! Whose tokens are taken, and which of those whom they speak for may come in.

use std::collections::HashSet;

use cambist_core::issuer::{IssuerError, IssuerUrl, JwksHost};
use cambist_core::scope::{Audience, ScopeError};
use cambist_core::subject::ServiceAccount;
use cambist_core::verify::{DefaultAccount, Verifier};

use super::AuthenticateLayer;
use crate::context::Context;
use crate::exchange::is_exchangeable;
use crate::issuer_keys::{IssuerKeys, KeyOrigin};
use crate::transport::{HttpsOptions, Transport, TransportBuildError};

/// Callers who can be told apart, of whom nobody may come in yet: say who, and it is an
/// [`AuthenticateLayer`].
///
/// ```compile_fail
/// // A service that lets in whoever a cluster has was not meant by anybody.
/// # fn example<S>(service: S) -> Result<(), Box<dyn std::error::Error>> {
/// use cambist::layer::AuthenticateLayer;
/// use tower::Layer as _;
///
/// let callers = AuthenticateLayer::for_issuer("https://issuer.example/", "https://orders.shop")?;
/// callers.layer(service);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nobody is let in before somebody is allowed"]
pub struct Callers {
    pub(super) verifier: Verifier,
    pub(super) keys: IssuerKeys,
    pub(super) context: Context,
}

/// Why there are no [`Callers`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallersError {
    /// The issuer's URL is none.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The audience is none.
    #[error(transparent)]
    Audience(#[from] ScopeError),
    /// It is an audience that Entra takes.
    #[error(
        "callers must not show tokens for {0}: whoever is shown one could exchange it; let them project one for an audience of this service's own, such as its URL"
    )]
    Exchangeable(Audience),
    /// It is an audience of the cluster's API servers.
    #[error(
        "callers must not show tokens for {0}: the API server takes them, so this service could act as its callers; let them project one for an audience of this service's own, such as its URL"
    )]
    ApiServers(Audience),
    /// There can be no connections.
    #[error(transparent)]
    Transport(#[from] TransportBuildError),
}

/// Whether the cluster's API servers take tokens of this audience unless somebody told them not to: it
/// is the issuer itself, or their own name in the cluster.
fn is_api_servers(audience: &Audience, issuer: &IssuerUrl) -> bool {
    let text = audience.as_str();
    let name = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
    text == issuer.as_str()
        || matches!(name, "kubernetes" | "kubernetes.default" | "kubernetes.default.svc")
        || name.starts_with("kubernetes.default.svc.")
}

impl Callers {
    /// Those of a public issuer.
    pub(super) fn of_issuer(
        url: &str,
        audience: &str,
        https: HttpsOptions,
        context: Context,
    ) -> Result<Self, CallersError> {
        let verifier = Verifier::new(IssuerUrl::parse(url)?, Audience::parse(audience)?);
        let transport = Transport::https(https)?;
        let host = JwksHost::SameAsIssuer;
        let keys = IssuerKeys::new(vec![KeyOrigin::Public { transport, host }], context.clone());
        Self::new(verifier, keys, context)
    }

    pub(super) fn new(
        verifier: Verifier,
        keys: IssuerKeys,
        context: Context,
    ) -> Result<Self, CallersError> {
        match &verifier.rules.audience {
            audience if is_exchangeable(audience.as_str()) => {
                Err(CallersError::Exchangeable(audience.clone()))
            }
            audience if is_api_servers(audience, &verifier.issuer) => {
                Err(CallersError::ApiServers(audience.clone()))
            }
            _ => {
                keys.keep(&verifier.issuer);
                Ok(Self { verifier, keys, context })
            }
        }
    }

    /// Lets these accounts in. A namespace's `default` account, which every pod has that names none, is
    /// let in only if it is one of them.
    pub fn allow(self, accounts: impl IntoIterator<Item = ServiceAccount>) -> AuthenticateLayer {
        AuthenticateLayer::of(self).allow(accounts)
    }

    /// Lets every account of this namespace in, except `default`.
    pub fn allow_namespace(self, namespace: impl Into<String>) -> AuthenticateLayer {
        AuthenticateLayer::of(self).allow_namespace(namespace)
    }

    /// Lets in every account of the cluster, except those named `default`: whoever may make a pod
    /// anywhere in it comes in. The handler must look at the caller.
    pub fn allow_any(self) -> AuthenticateLayer {
        AuthenticateLayer::of(self).allow_any()
    }
}

/// Who may come in.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    accounts: HashSet<ServiceAccount>,
    namespaces: HashSet<String>,
    any: bool,
}

impl Allowed {
    pub(super) fn permits(&self, account: &ServiceAccount) -> bool {
        self.any || self.accounts.contains(account) || self.namespaces.contains(account.namespace())
    }

    /// Adds accounts, and tells the verifier of those that it would refuse for their name.
    pub(super) fn add(
        &mut self,
        accounts: impl IntoIterator<Item = ServiceAccount>,
        verifier: &mut Verifier,
    ) {
        for account in accounts {
            if account.is_default() {
                match &mut verifier.rules.default_account {
                    DefaultAccount::Allowed(allowed) => allowed.push(account.clone()),
                    none => *none = DefaultAccount::Allowed(vec![account.clone()]),
                }
            }
            self.accounts.insert(account);
        }
    }

    pub(super) fn add_namespace(&mut self, namespace: String) {
        self.namespaces.insert(namespace);
    }

    pub(super) fn add_all(&mut self) {
        self.any = true;
    }
}
