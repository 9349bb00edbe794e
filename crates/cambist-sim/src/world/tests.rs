use std::io;

use bytes::Bytes;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::fault::{Fault, Injection, Reach};
use crate::keys::SigningKey;

const SCOPE: &str = "https://vault.azure.net/.default";

fn request(sim: &Sim, assertion: &str, scope: &str) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_assertion", assertion)
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .append_pair("client_id", &sim.settings().client_id)
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope)
        .finish();
    http::Request::post(sim.token_url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body))
        .unwrap()
}

async fn send(sim: &Sim, request: Request) -> (u16, Value) {
    let response = sim.service().oneshot(request).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

async fn exchange(sim: &Sim, assertion: &str) -> (u16, Value) {
    send(sim, request(sim, assertion, SCOPE)).await
}

/// The status and the AADSTS code of a refused exchange.
async fn refusal(sim: &Sim, assertion: &str) -> (u16, i64) {
    let (status, body) = exchange(sim, assertion).await;
    (status, body["error_codes"][0].as_i64().unwrap_or_default())
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(part).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_granted_token_is_known_until_it_ends() {
    let sim = Sim::new().unwrap();
    let (_, body) = exchange(&sim, &sim.token().unwrap()).await;
    let token = body["access_token"].as_str().unwrap();
    let granted = |token: &str| sim.entra().granted(token).map(|claims| claims["aud"].clone());
    assert_eq!(granted(token), Some(json!("https://vault.azure.net")));
    let (signed, _) = token.rsplit_once('.').unwrap();
    for other in [signed.to_owned(), format!("{signed}."), format!("{token}A"), String::new()] {
        assert_eq!(granted(&other), None);
    }
    sim.clock().advance(Duration::from_secs(3599));
    assert_eq!(granted(token), None);
}

#[tokio::test(start_paused = true)]
async fn each_machine_goes_by_a_clock_of_its_own() {
    let sim = Sim::new().unwrap();
    sim.issuer().host(crate::issuer::Hosting::Blob);
    for (machine, hours) in
        [(Machine::Pod, -100), (Machine::Issuer, -3), (Machine::Api, -2), (Machine::Entra, 1)]
    {
        sim.clock_of(machine).skew(hours * 3600);
    }
    sim.issuer().upload();
    let get = async |url: String| {
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        sim.service().oneshot(request).await.unwrap()
    };
    let jwks = get(sim.issuer().jwks_url()).await;
    for name in ["date", "last-modified"] {
        assert_eq!(jwks.headers()[name], "Mon, 23 Nov 2026 01:13:45 GMT", "{name}");
    }
    let api = get(format!("{}/openid/v1/jwks", sim.settings().api_server)).await;
    assert_eq!(api.headers()["date"], "Mon, 23 Nov 2026 02:13:45 GMT");
    // The API server dates the token, and Entra judges it.
    let token = sim.token().unwrap();
    assert_eq!(claims(&token)["iat"], sim.clock().wall().as_secs() - 2 * 3600);
    let asked = sim.service().oneshot(request(&sim, &token, SCOPE)).await.unwrap();
    assert_eq!(
        (asked.status().as_u16(), &asked.headers()["date"]),
        (401, &"Mon, 23 Nov 2026 05:13:45 GMT".parse().unwrap())
    );
    assert_eq!(refusal(&sim, &token).await, (401, 700_024));
    assert_eq!(sim.journal().entries()[0].time, sim.clock().wall());
}

#[tokio::test(start_paused = true)]
async fn a_good_assertion_earns_a_token() {
    let sim = Sim::new().unwrap();
    let scope = "https://management.azure.com//.default";
    let (status, body) = send(&sim, request(&sim, &sim.token().unwrap(), scope)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!((&body["expires_in"], &body["ext_expires_in"]), (&json!(3599), &json!(3599)));
    assert_eq!(body.get("expires_on").or(body.get("refresh_in")), None);
    let claims = claims(body["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], "https://management.azure.com/");
    assert_eq!(claims["appid"], sim.settings().client_id);
    assert_eq!(claims["tid"], sim.settings().tenant_id);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3599);
}

#[tokio::test(start_paused = true)]
async fn no_two_access_tokens_are_the_same() {
    let sim = Sim::new().unwrap();
    sim.entra().set_refresh_in(Some(Duration::from_secs(1800)));
    let assertion = sim.token().unwrap();
    let (_, one) = exchange(&sim, &assertion).await;
    let (_, two) = exchange(&sim, &assertion).await;
    assert_ne!(one["access_token"], two["access_token"]);
    assert_eq!(two["refresh_in"], 1800);
}

#[tokio::test(start_paused = true)]
async fn entra_names_the_part_that_no_federated_credential_has() {
    let sim = Sim::new().unwrap();
    let forged =
        |claim, value: &str| sim.issuer().sign(&sim.token_spec().claim(claim, value)).unwrap();
    assert_eq!(refusal(&sim, &forged("iss", "https://issuer.sim.test")).await, (401, 700_211));
    assert_eq!(refusal(&sim, &forged("aud", "api://azureADTokenExchange")).await, (401, 700_212));
    let other = forged("sub", "system:serviceaccount:shop:Checkout");
    assert_eq!(refusal(&sim, &other).await, (401, 700_213));
    sim.entra().distrust(&sim.settings().client_id);
    assert_eq!(refusal(&sim, &sim.token().unwrap()).await, (401, 70_021));
    // Nothing of this is worth a fetch from an issuer.
    assert_eq!(sim.journal().entries().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn behind_a_token_proxy_entra_knows_no_other_way() {
    let sim = Sim::with(Settings {
        token_proxy: Some("https://proxy.sim.test:6443/binding/".to_owned()),
        audience: "api://AKSIdentityBinding".to_owned(),
        ..Settings::default()
    });
    let sim = sim.unwrap();
    let assertion = sim.token().unwrap();
    assert_eq!(refusal(&sim, &assertion).await, (401, 700_211));
    let proxied = |path: &str, host: &str| {
        let mut proxied = request(&sim, &assertion, SCOPE);
        *proxied.uri_mut() = format!("https://proxy.sim.test:6443{path}").parse().unwrap();
        proxied.headers_mut().insert("host", host.parse().unwrap());
        proxied
    };
    let tenant = &sim.settings().tenant_id;
    let path = format!("/binding/{tenant}/oauth2/v2.0/token");
    let bare = format!("/{tenant}/oauth2/v2.0/token");
    for (path, host, status) in [
        (&path, "proxy.sim.test:6443", 200),
        (&path, "proxy.sim.test", 421),
        (&path, "login.sim.test", 421),
        (&bare, "proxy.sim.test:6443", 404),
    ] {
        let answer = sim.service().oneshot(proxied(path, host)).await.unwrap();
        assert_eq!(answer.status(), status, "{path} {host}");
    }
    let counts = sim.journal().counts();
    assert_eq!((counts.entra, counts.token_proxy, counts.jwks), (1, 3, 0));
    let entry = &sim.journal().entries()[1];
    assert_eq!((entry.target, entry.path.as_str()), (Some(Target::TokenProxy), path.as_str()));
    assert_eq!(entry.scope.as_deref(), Some(SCOPE));
}

#[tokio::test(start_paused = true)]
async fn a_federated_credential_takes_its_time_to_spread() {
    let sim = Sim::new().unwrap();
    let client_id = sim.settings().client_id.clone();
    sim.entra().distrust(&client_id);
    let credential = sim.federated_credential();
    sim.entra().trust_after(Duration::from_secs(180), &client_id, credential);
    assert_eq!(refusal(&sim, &sim.token().unwrap()).await, (401, 70_021));
    tokio::time::advance(Duration::from_secs(180)).await;
    assert_eq!(exchange(&sim, &sim.token().unwrap()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn entra_refuses_times_signatures_and_junk() {
    let sim = Sim::new().unwrap();
    let old = sim.token().unwrap();
    sim.clock().advance(Duration::from_secs(3600 + 301));
    assert_eq!(refusal(&sim, &old).await, (401, 700_024));
    let stranger = SigningKey::generate_rsa().unwrap();
    let forged = sim.token_spec().sign(&stranger).unwrap();
    assert_eq!(refusal(&sim, &forged).await, (401, 7_000_272));
    let kid = sim.issuer().signer().kid().to_owned();
    let forged = sim.token_spec().header("kid", kid).sign(&stranger).unwrap();
    assert_eq!(refusal(&sim, &forged).await, (401, 7_000_274));
    assert_eq!(refusal(&sim, "junk").await, (400, 50_027));
    assert_eq!(refusal(&sim, &sim.token_spec().unsigned()).await, (400, 50_027));
}

#[tokio::test(start_paused = true)]
async fn entra_knows_its_tenant_its_apps_and_its_resources() {
    let sim = Sim::new().unwrap();
    let good = |scope| request(&sim, &sim.token().unwrap(), scope);
    let code = async |request| send(&sim, request).await.1["error_codes"][0].as_i64().unwrap();
    let mut elsewhere = good(SCOPE);
    *elsewhere.uri_mut() = sim.token_url().replace("7e57ab1e", "00000000").parse().unwrap();
    assert_eq!(code(elsewhere).await, 90_002);
    let mut nowhere = good(SCOPE);
    *nowhere.uri_mut() = "https://login.sim.test/tenant/oauth2/v2.0/token".parse().unwrap();
    assert_eq!(code(nowhere).await, 900_023);
    let stranger = good(SCOPE).map(|body| {
        let body = String::from_utf8(body.to_vec()).unwrap();
        Bytes::from(body.replace("c11e0001", "00000000"))
    });
    assert_eq!(code(stranger).await, 700_016);
    sim.entra().forget_resource("https://vault.azure.net");
    assert_eq!(code(good(SCOPE)).await, 500_011);
    assert_eq!(code(good("https://vault.azure.net")).await, 70_011);
}

#[tokio::test(start_paused = true)]
async fn entra_follows_a_rotation_and_its_own_fetches_are_not_the_pods() {
    let sim = Sim::new().unwrap();
    assert_eq!(exchange(&sim, &sim.token().unwrap()).await.0, 200);
    let before = sim.token().unwrap();
    sim.issuer().rotate(true).unwrap();
    assert_eq!(exchange(&sim, &sim.token().unwrap()).await.0, 200);
    assert_eq!(exchange(&sim, &before).await.0, 200);
    sim.issuer().rotate(false).unwrap();
    assert_eq!(exchange(&sim, &sim.token().unwrap()).await.0, 200);
    assert_eq!(refusal(&sim, &before).await, (401, 7_000_272));
    let counts = sim.journal().counts();
    assert_eq!((counts.entra, counts.discovery, counts.jwks), (5, 0, 0));
    let own = sim.journal().entries().iter().filter(|it| it.by == By::Entra).count();
    assert_eq!(own, 2 * 4, "one look for each new key, one for the key that vanished");
}

#[tokio::test(start_paused = true)]
async fn the_pods_network_is_not_entras() {
    let sim = Sim::new().unwrap();
    sim.faults().inject(Target::Jwks, Fault::Hang);
    assert_eq!(exchange(&sim, &sim.token().unwrap()).await.0, 200);
    sim.entra().forget_issuer_keys();
    let (target, fault, reach) = (Target::Jwks, Fault::Hang, Reach::All);
    sim.faults().add(Injection { target, fault, count: None, reach });
    assert_eq!(refusal(&sim, &sim.token().unwrap()).await, (400, 90_061));
}

#[tokio::test(start_paused = true)]
async fn every_code_can_be_asked_for() {
    let sim = Sim::new().unwrap();
    let fault = |code| Fault::Aadsts { code, status: None, retry_after: Some("60".to_owned()) };
    for (code, status, error) in [
        (50_196, 400, "invalid_request"),
        (90_055, 429, "temporarily_unavailable"),
        (90_033, 503, "temporarily_unavailable"),
        (53_003, 400, "invalid_grant"),
        (700_024, 401, "invalid_client"),
    ] {
        sim.faults().inject_next(1, Target::Entra, fault(code));
        let (got, body) = exchange(&sim, &sim.token().unwrap()).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{body}");
        assert_eq!(body["error_codes"], json!([code]));
        assert!(body["error_description"].as_str().unwrap().contains("\r\nTrace ID: "));
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_holds_no_secret() {
    let sim = Sim::new().unwrap();
    let assertion = sim.token().unwrap();
    let (_, body) = exchange(&sim, &assertion).await;
    let entries = serde_json::to_string(&sim.journal().entries()).unwrap();
    assert!(entries.contains(SCOPE));
    let all = entries + &format!("{sim:?}");
    for secret in [&assertion, body["access_token"].as_str().unwrap()] {
        assert!(!secret.split('.').any(|part| all.contains(part)), "a secret was recorded");
    }
}

#[tokio::test(start_paused = true)]
async fn the_issuer_answers_as_kube_apiserver_does() {
    let sim = Sim::new().unwrap();
    for (url, content_type) in [
        (sim.issuer().discovery_url(), "application/json"),
        (sim.issuer().jwks_url(), "application/jwk-set+json"),
    ] {
        let request = http::Request::get(&url).body(Bytes::new()).unwrap();
        let response = sim.service().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], content_type);
        assert_eq!(response.headers()["cache-control"], "public, max-age=3600");
        assert_eq!(response.headers()["date"], "Mon, 23 Nov 2026 04:13:45 GMT");
        let post = http::Request::post(&url).body(Bytes::new()).unwrap();
        assert_eq!(sim.service().oneshot(post).await.unwrap().status(), 405);
    }
}

#[tokio::test(start_paused = true)]
async fn other_addresses_do_not_exist() {
    let sim = Sim::new().unwrap();
    let get = |url: &str| {
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        sim.service().oneshot(request)
    };
    for url in ["https://issuer.sim.test/", "https://issuer.sim.test//openid/v1/jwks"] {
        assert_eq!(get(url).await.unwrap().status(), 404, "{url}");
    }
    assert_eq!(get("https://login.sim.test/common/discovery").await.unwrap().status(), 404);
    for url in ["https://elsewhere.test/", "http://issuer.sim.test/openid/v1/jwks", "/"] {
        let error = get(url).await.unwrap_err().downcast::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_have_a_limit() {
    let sim = Sim::new().unwrap();
    let big = request(&sim, &"a".repeat(Side::Entra.max_body()), SCOPE);
    assert_eq!(sim.service().oneshot(big).await.unwrap().status(), 413);
}

#[test]
fn addresses_are_https_urls() {
    for bad in ["http://i.test", "issuer", "https://i.test/?a=b", "https://"] {
        let settings = Settings { issuer: bad.to_owned(), ..Settings::default() };
        let error = Sim::with(settings).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains(bad)), "{bad}");
    }
}
