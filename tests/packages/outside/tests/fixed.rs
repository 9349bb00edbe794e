//! The service by itself, with tokens and callers that the test decides.

use std::time::Duration;

use cambist::Reason;
use cambist::fixed::{FixedIssuer, FixedTokens};
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tower::{BoxError, ServiceExt as _, service_fn};

#[tokio::test]
async fn an_outage_of_entra_is_felt_once_the_token_is_over() {
    let (azure, cluster) = (FixedTokens::new("token-1"), FixedIssuer::new());
    let echo = service_fn(|request: Request<()>| async move {
        let bearer = request.headers()[AUTHORIZATION].to_str()?.to_owned();
        Ok::<_, BoxError>(Response::new(bearer))
    });
    let ledger = outside::ledger(echo, azure.credential()).unwrap();
    let orders = outside::orders(cluster.callers(outside::AUDIENCE).unwrap(), ledger);
    let checkout = "system:serviceaccount:shop:checkout".parse().unwrap();
    let bearer = format!("Bearer {}", cluster.token(&checkout, outside::AUDIENCE));
    let ask = async || {
        let request = Request::get("/").header(AUTHORIZATION, &bearer).body(()).unwrap();
        orders.clone().oneshot(request).await.unwrap()
    };

    assert_eq!(ask().await.body(), "checkout: Bearer token-1");
    azure.fails(Reason::EntraUnavailable);
    assert_eq!(ask().await.body(), "checkout: Bearer token-1");
    azure.advance(Duration::from_secs(3600));
    assert_eq!(ask().await.status(), StatusCode::BAD_GATEWAY);
    let stranger = Request::get("/").body(()).unwrap();
    assert_eq!(orders.clone().oneshot(stranger).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
