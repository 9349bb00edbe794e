//! The Azure SDK's traits: a [`Credential`] for every `azure_*` client, a verifying assertion for
//! `ClientAssertionCredential`, and a developer's own sign-in as the source of tokens.
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! use std::sync::Arc;
//!
//! use azure_core::credentials::TokenCredential;
//! use cambist::{Config, Context};
//! use cambist_sim::up::{Options, start};
//!
//! // In a pod: `Config::from_env(&cambist::env::Process)`.
//! let dir = tempfile::tempdir()?;
//! let cluster = start(Options::new(dir.path())).await?;
//! let credential = Config::from_env(cluster.env())?.credential(Context::system("pod-name"))?;
//!
//! // What every client takes, such as `SecretClient::new(url, credential, None)`.
//! let credential: Arc<dyn TokenCredential> = Arc::new(credential);
//! let first = credential.get_token(&["https://vault.azure.net/.default"], None).await?;
//! let second = credential.get_token(&["https://vault.azure.net/.default"], None).await?;
//! assert_eq!(first.token.secret(), second.token.secret());
//! assert_eq!(cluster.sim().journal().counts().entra, 1);
//! # cluster.shutdown().await;
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenRequestOptions;
use azure_core::credentials::{AccessToken as AzureToken, Secret as AzureSecret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_core::time::OffsetDateTime;
use azure_identity::{ClientAssertion, DeveloperToolsCredential};
use cambist_core::clock::UnixTime;
use cambist_core::foreign::ForeignList;
use cambist_core::scope::Scope;
use cambist_core::secret::Secret;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::assertions::Assertions;
use crate::cache::Maker;
use crate::context::Context;
use crate::credential::Credential;
use crate::error::{Error, Kind};
use crate::exchange::{AccessToken, is_bearer};
use crate::principal::Principal;
use crate::receipt::{Moment, Receipt};

/// A longer life than any Azure token has is somebody's unit gone wrong.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[async_trait::async_trait]
impl TokenCredential for Credential {
    /// The token for the one scope given.
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AzureToken> {
        let fail =
            |message: String| azure_core::Error::with_message(ErrorKind::Credential, message);
        let [scope] = scopes else {
            return Err(fail(format!("expected one scope, found {}", scopes.len())));
        };
        // What is held was parsed once; looking for it needs no parsing.
        let held = scope.strip_suffix("/.default").and_then(|resource| self.peek(resource));
        let token = match held {
            Some(token) => token,
            None => {
                let scope = Scope::parse(scope).map_err(|e| fail(e.to_string()))?;
                self.token(&scope).await.map_err(|e| {
                    let message = format!("{}: {e}", e.reason());
                    azure_core::Error::with_error(ErrorKind::Credential, e, message)
                })?
            }
        };
        let expires_on = OffsetDateTime::from_unix_timestamp(token.expires_on().as_secs());
        let expires_on = expires_on.map_err(|e| fail(e.to_string()))?;
        Ok(AzureToken::new(AzureSecret::new(token.secret().expose().to_owned()), expires_on))
    }
}

/// The workload's projected token as `azure_identity`'s client assertion, verified first: a bad
/// token never reaches Entra.
///
/// For whoever keeps `ClientAssertionCredential`. That credential caches by its own rules; the
/// better cache is [`Credential`]'s.
#[derive(Clone, Debug)]
pub struct VerifiedAssertion(Assertions);

impl VerifiedAssertion {
    /// Assertions from here, see [`Config::assertions`](crate::Config::assertions).
    pub fn new(assertions: Assertions) -> Self {
        Self(assertions)
    }
}

#[async_trait::async_trait]
impl ClientAssertion for VerifiedAssertion {
    async fn secret(
        &self,
        _options: Option<ClientMethodOptions<'_>>,
    ) -> azure_core::Result<String> {
        match self.0.next().await {
            Ok(assertion) => Ok(assertion.secret().expose().to_owned()),
            Err(e) => {
                let message = format!("{}: {e}", e.reason());
                Err(azure_core::Error::with_error(ErrorKind::Credential, e, message))
            }
        }
    }
}

impl Credential {
    /// A developer's own sign-in (Azure CLI or Azure Developer CLI) as the source of tokens, so that
    /// an app runs unchanged on a laptop with no cluster. Never for production: the tokens are the
    /// developer's.
    ///
    /// # Errors
    /// If `azure_identity` cannot set it up.
    pub fn developer(context: Context) -> Result<Self, Error> {
        let tools = DeveloperToolsCredential::new(None);
        let tools = tools.map_err(|e| no_token(&e.to_string()))?;
        let maker = Developer { tools, context: context.clone() };
        Ok(Self::from_maker(Principal::developer(), None, Arc::new(maker), context))
    }
}

/// The tools' own words, line by line.
fn no_token(words: &str) -> Error {
    Error::new(Kind::Developer(ForeignList::of(words.lines())))
}

#[derive(Debug)]
struct Developer {
    tools: Arc<dyn TokenCredential>,
    context: Context,
}

impl Maker for Developer {
    fn fetch<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>> {
        async move {
            let clock = &self.context.clock;
            let now = || Moment { wall: clock.wall(), boot: clock.boot() };
            let asked = now();
            let scope = scope.to_string();
            let token = self.tools.get_token(&[&scope], None).await;
            let token = token.map_err(|e| no_token(&e.to_string()))?;
            let expires_on = UnixTime::from_secs(token.expires_on.unix_timestamp());
            let valid_for = expires_on.since(asked.wall).min(LONGEST);
            if !is_bearer(token.token.secret()) {
                return Err(no_token("what the tools printed is no token"));
            }
            let secret = Secret::new(token.token.secret());
            let receipt = Receipt::unexchanged(&secret, asked, now());
            Ok(AccessToken::new(secret, valid_for, None, receipt))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
