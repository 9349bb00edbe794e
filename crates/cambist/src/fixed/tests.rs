use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;
use crate::reason::Class;
use crate::testing::scope;

const VAULT: &str = "https://vault.azure.net";

#[tokio::test]
async fn it_is_a_credential_with_cache_refresh_and_pauses() {
    let azure = FixedTokens::new("token-1");
    let credential = azure.credential();
    let scope = scope(VAULT);
    let secret = async || {
        let token = credential.token(&scope).await?;
        Ok::<_, Error>(token.secret().expose().to_owned())
    };
    assert_eq!((secret().await.unwrap().as_str(), azure.asked()), ("token-1", 1));
    azure.fails(Reason::EntraThrottled);
    assert_eq!((secret().await.unwrap().as_str(), azure.asked()), ("token-1", 1));
    azure.advance(LIFE);
    let error = secret().await.unwrap_err();
    assert_eq!((error.reason(), error.class()), (Reason::EntraThrottled, Class::Throttled));
    assert!(error.to_string().contains("entra_throttled"), "{error}");
    azure.gives("token-2");
    assert!(secret().await.is_err(), "not before the pause is over");
    azure.advance(error.retry_after().unwrap());
    assert_eq!((secret().await.unwrap().as_str(), azure.asked()), ("token-2", 3));
    assert!(!format!("{azure:?} {credential:?}").contains("token-2"));
}

#[cfg(feature = "azure")]
#[tokio::test]
async fn it_is_the_azure_sdks_credential() {
    use azure_core::credentials::TokenCredential as _;
    let azure = FixedTokens::new("token-1");
    let credential = azure.credential();
    let get = || credential.get_token(&["https://vault.azure.net/.default"], None);
    let token = get().await.unwrap();
    assert_eq!(token.token.secret(), "token-1");
    let left = token.expires_on.unix_timestamp() - SystemClock.wall().as_secs();
    assert!((3500..=3600).contains(&left), "{left}");
    azure.fails(Reason::EntraUnavailable);
    azure.advance(LIFE);
    assert!(get().await.unwrap_err().to_string().starts_with("entra_unavailable: "));
}

#[tokio::test]
async fn an_issuer_vouches_for_whom_the_test_says() {
    let cluster = FixedIssuer::new();
    let audience = "https://orders.shop";
    let layer = cluster.callers(audience).unwrap().allow_namespace("shop");
    let handler = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    let service = layer.layer(handler);
    let knock = async |token: String| {
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
        service.clone().oneshot(request.body(()).unwrap()).await.unwrap().status()
    };
    let token = |name: &str, audience| {
        let account = format!("system:serviceaccount:{name}").parse().unwrap();
        cluster.token(&account, audience)
    };
    let forger = FixedIssuer::new();
    let forged = forger.token(&"system:serviceaccount:shop:a".parse().unwrap(), audience);
    for (token, expected) in [
        (token("shop:checkout", audience), StatusCode::OK),
        (token("ops:watch", audience), StatusCode::FORBIDDEN),
        (token("shop:checkout", "https://elsewhere.shop"), StatusCode::UNAUTHORIZED),
        (forged, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(knock(token).await, expected);
    }
}
