//! The service against the simulated cluster and Entra of `cambist-sim`, over TLS.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use cambist::layer::AuthenticateLayer;
use cambist::transport::{CaBundle, HttpsOptions};
use cambist::{Config, Context, Credential};
use cambist_sim::fault::{Fault, Target};
use cambist_sim::token::Workload;
use cambist_sim::up::{Options, Running, start};
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tower::{BoxError, ServiceExt as _, service_fn};

async fn cluster() -> (tempfile::TempDir, Running, Credential) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.resources = vec!["api://ledger".to_owned()];
    let cluster = start(options).await.unwrap();
    let credential =
        Config::from_env(cluster.env()).unwrap().credential(Context::system("orders-0"));
    (dir, cluster, credential.unwrap())
}

#[tokio::test]
async fn a_client_of_the_azure_sdk_takes_the_credential() {
    let (_dir, cluster, credential) = cluster().await;
    let credential: Arc<dyn TokenCredential> = Arc::new(credential);
    let vault = ["https://vault.azure.net/.default"];
    let first = credential.get_token(&vault, None).await.unwrap();
    let down = Fault::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None };
    cluster.sim().faults().inject(Target::Entra, down);
    let second = credential.get_token(&vault, None).await.unwrap();
    assert_eq!(first.token.secret(), second.token.secret());
    assert_eq!(cluster.sim().journal().counts().entra, 1);
    let error = credential.get_token(&["https://storage.azure.com/.default"], None).await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("entra_unavailable: "), "{error}");
}

#[tokio::test]
async fn both_layers_stand_between_a_caller_and_the_ledger() {
    let (_dir, cluster, credential) = cluster().await;
    let entra = cluster.sim().clone();
    let ledger = outside::ledger(
        service_fn(move |request: Request<()>| {
            let bearer = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
            let granted = entra.entra().granted(bearer.strip_prefix("Bearer ").unwrap());
            let audience = granted.map(|claims| claims["aud"].to_string());
            async { Ok::<_, BoxError>(Response::new(audience.ok_or("no token of Entra's")?)) }
        }),
        credential,
    );
    let mut https = HttpsOptions::default();
    https.roots.push(CaBundle::read(cluster.env()["CAMBIST_CA_FILE"].as_ref()).unwrap());
    let issuer = &cluster.env()["CAMBIST_ISSUER"];
    let context = Context::system("orders-0");
    let callers = AuthenticateLayer::for_issuer_over(issuer, outside::AUDIENCE, https, context);
    let orders = outside::orders(callers.unwrap(), ledger.unwrap());

    let issuer = cluster.sim().issuer();
    for (namespace, audience, status, body) in [
        ("shop", outside::AUDIENCE, StatusCode::OK, "checkout: \"api://ledger\""),
        ("elsewhere", outside::AUDIENCE, StatusCode::FORBIDDEN, ""),
        ("shop", "api://AzureADTokenExchange", StatusCode::UNAUTHORIZED, ""),
    ] {
        let workload = Workload::new(namespace, "checkout");
        let token = issuer.token_spec(&workload, audience, Duration::from_secs(600));
        let bearer = format!("Bearer {}", issuer.sign(&token).unwrap());
        let request = Request::get("/").header(AUTHORIZATION, bearer).body(()).unwrap();
        let response = orders.clone().oneshot(request).await.unwrap();
        assert_eq!((response.status(), response.body().as_str()), (status, body), "{namespace}");
    }
}
