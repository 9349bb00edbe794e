//! Tower layers: a fresh bearer on requests that go out, a verified caller on requests that come in.
//!
//! A service that lets in its own namespace and asks another service with a token of Entra's; cluster and
//! Entra are `cambist-sim`'s:
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! use std::time::Duration;
//!
//! use cambist::core::admission::Caller;
//! use cambist::core::scope::Scope;
//! use cambist::layer::{AuthenticateLayer, BearerLayer};
//! use cambist::transport::{CaBundle, HttpsOptions};
//! use cambist::{Config, Context};
//! use cambist_sim::token::Workload;
//! use cambist_sim::up::{Options, start};
//! use http::{Request, Response, header::AUTHORIZATION};
//! use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
//!
//! let dir = tempfile::tempdir()?;
//! let mut options = Options::new(dir.path());
//! options.resources = vec!["api://ledger".to_owned()];
//! let cluster = start(options).await?;
//!
//! // Out: whatever goes to the ledger has a token for it. A real one would be an HTTP client.
//! let ledger = service_fn(|request: Request<()>| async move {
//!     let bearer = request.headers()[AUTHORIZATION].to_str()?;
//!     Ok::<_, BoxError>(Response::new(bearer.starts_with("Bearer ey")))
//! });
//! let credential = Config::from_env(cluster.env())?.credential(Context::system("orders-0"))?;
//! let ledger = BearerLayer::new(credential, Scope::parse("api://ledger/.default")?).layer(ledger);
//!
//! // In: whoever asks shows a token that is for this service. With an issuer whose certificate everybody
//! // trusts it is `AuthenticateLayer::for_issuer(issuer, audience)`.
//! let mut https = HttpsOptions::default();
//! https.roots.push(CaBundle::read(cluster.env()["CAMBIST_CA_FILE"].as_ref())?);
//! let (issuer, audience) = (&cluster.env()["CAMBIST_ISSUER"], "https://orders.shop");
//! let context = Context::system("orders-0");
//! let callers = AuthenticateLayer::for_issuer_over(issuer, audience, https, context)?;
//! let orders = callers.allow_namespace("shop").layer(service_fn(move |request: Request<()>| {
//!     assert_eq!(request.extensions().get::<Caller>().unwrap().subject().name(), "checkout");
//!     ledger.clone().oneshot(Request::new(()))
//! }));
//!
//! let ask = async |namespace: &str| {
//!     let (issuer, workload) = (cluster.sim().issuer(), Workload::new(namespace, "checkout"));
//!     let token = issuer.sign(&issuer.token_spec(&workload, audience, Duration::from_secs(600)))?;
//!     let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(())?;
//!     orders.clone().oneshot(request).await
//! };
//! assert!(ask("shop").await?.into_body());
//! let refused = ask("elsewhere").await?;
//! assert_eq!(refused.status(), 403);
//! assert_eq!(refused.headers()["x-cambist-reason"], "caller_not_allowed");
//! # cluster.shutdown().await;
//! # Ok::<_, BoxError>(()) }).unwrap();
//! ```

mod authenticate;
mod bearer;
mod callers;

pub use authenticate::{Authenticate, AuthenticateLayer};
pub use bearer::{Bearer, BearerLayer};
pub use callers::{Callers, CallersError};

#[cfg(test)]
mod tests;
