//! A tower layer that lets in only workloads of your cluster, by their service-account tokens.
//!
//! ```sh
//! cargo run --example incoming
//! ```
//!
//! An axum service that knows which service account is calling, with no secret shared between the
//! two. The callers project a token for this service's own audience, never Entra's:
//!
//! ```yaml
//! volumes:
//! - name: tokens
//!   projected:
//!     sources:
//!     - serviceAccountToken: {path: orders, audience: "https://orders.shop", expirationSeconds: 3600}
//! ```
//!
//! Here a simulated cluster issues them. In a real one, give the issuer's URL and no further CA, or
//! the API server as the source of keys where the issuer is not reachable from the pod.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use anyhow::ensure;
use axum::http::{Request, StatusCode, header::AUTHORIZATION};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use cambist::Context;
use cambist::core::admission::Caller;
use cambist::core::issuer::{IssuerUrl, JwksHost};
use cambist::core::scope::Audience;
use cambist::core::verify::Verifier;
use cambist::issuer_keys::{IssuerKeys, KeyOrigin};
use cambist::layer::AuthenticateLayer;
use cambist::transport::{CaBundle, HttpsOptions, Transport};
use cambist_sim::token::Workload;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

const AUDIENCE: &str = "https://orders.shop";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = cambist_sim::up::start(cambist_sim::up::Options::new(dir.path())).await?;
    let issuer = cluster.sim().issuer();

    let ca_file = &cluster.env()["CAMBIST_CA_FILE"];
    let ca = CaBundle::parse(ca_file, &std::fs::read(ca_file)?)?;
    let mut https = HttpsOptions::default();
    https.roots.push(ca);
    let app = service(issuer.url(), Transport::https(https)?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/whoami", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let lifetime = cluster.sim().settings().token_lifetime;
    let token = |account, audience| {
        issuer.sign(&issuer.token_spec(&Workload::new("shop", account), audience, lifetime))
    };
    let entra = "api://AzureADTokenExchange";
    for (who, token, expected) in [
        ("a workload of the cluster", token("checkout", AUDIENCE)?, StatusCode::OK),
        ("one with its token for Entra", token("checkout", entra)?, StatusCode::UNAUTHORIZED),
        ("another workload", token("reports", AUDIENCE)?, StatusCode::FORBIDDEN),
        ("the default account", token("default", AUDIENCE)?, StatusCode::UNAUTHORIZED),
        ("nobody in particular", "not a token".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        let (status, said) = ask(&url, &token).await?;
        println!("{who:28}  {status}: {said}");
        ensure!(status == expected, "{who}: expected {expected}");
    }
    cluster.shutdown().await;
    Ok(())
}

/// The service: behind the layer, every request has a verified caller that may come in. With a public
/// issuer, whose certificate everybody trusts, `AuthenticateLayer::for_issuer` is all of this.
fn service(issuer: &str, transport: Transport) -> anyhow::Result<Router> {
    let verifier = Verifier::new(IssuerUrl::parse(issuer)?, Audience::parse(AUDIENCE)?);
    let context = Context::system("pod-name");
    let source = KeyOrigin::Public { transport, host: JwksHost::SameAsIssuer };
    let keys = IssuerKeys::new(vec![source], context.clone());
    let callers = AuthenticateLayer::with_keys(verifier, keys, context)?;
    let layer = callers.allow(["system:serviceaccount:shop:checkout".parse()?]);
    Ok(Router::new().route("/whoami", get(whoami)).layer(layer))
}

async fn whoami(Extension(caller): Extension<Caller>) -> String {
    let subject = caller.subject();
    format!("you are {} of namespace {}", subject.name(), subject.namespace())
}

/// What a caller does: its token as the bearer. The answer's body, or the reason for a refusal.
async fn ask(url: &str, token: &str) -> anyhow::Result<(StatusCode, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(url).header(AUTHORIZATION, format!("Bearer {token}"));
    let response = client.request(request.body(Empty::new())?).await?;
    let status = response.status();
    let reason = response.headers().get("x-cambist-reason").cloned();
    let said = match reason {
        Some(reason) => Bytes::copy_from_slice(reason.as_bytes()),
        None => response.into_body().collect().await?.to_bytes(),
    };
    Ok((status, String::from_utf8_lossy(&said).into_owned()))
}
