use std::io;

use bytes::Bytes;
use cambist_core::clock::Clock as _;
use http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::entra::Kind;
use crate::fault::{Fault, Injection, Reach, Target};
use crate::keys::SigningKey;
use crate::reply::Request;

mod tenants;

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
    sim.clock().advance(Duration::from_secs(3600));
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
    // Five minutes before, and an hour.
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3900);
    let now = sim.clock().wall().as_secs();
    assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(now - 300), &json!(now + 3600)));
}

/// What the sign-in log makes of a `uti`.
fn request_id(uti: &str) -> String {
    use base64::Engine as _;
    assert_eq!(uti.len(), 22);
    let mut bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(uti).unwrap();
    for group in [0..4, 4..6, 6..8] {
        bytes[group].reverse();
    }
    crate::random::guid(bytes.try_into().unwrap())
}

fn header(token: &str) -> Value {
    claims(&format!(".{token}"))
}

#[tokio::test(start_paused = true)]
async fn tokens_have_entras_claims_for_each_kind_of_client_and_resource() {
    let sim = Sim::new().unwrap();
    let (tenant, client) = (sim.settings().tenant_id.clone(), sim.settings().client_id.clone());
    sim.entra().know_resource("api://orders");
    sim.entra().answer_in_v2("api://shop", "5b0bb0b1-0000-4000-8000-000000000001");
    let object_id = sim.entra().object_id(&client).unwrap();
    let resource_id = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";
    let managed = Kind::ManagedIdentity { resource_id: resource_id.to_owned() };
    for kind in [Kind::Application, managed] {
        sim.entra().make(&client, kind.clone());
        for (resource, v2) in [
            ("https://vault.azure.net", None),
            ("https://graph.microsoft.com", None),
            ("api://orders", None),
            ("api://shop", Some("5b0bb0b1-0000-4000-8000-000000000001")),
            ("api://AzureADTokenExchange", Some("fb60f99c-7a34-4190-8149-302f77469936")),
        ] {
            let request = request(&sim, &sim.token().unwrap(), &format!("{resource}/.default"));
            let answer = sim.service().oneshot(request).await.unwrap();
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            let token = body["access_token"].as_str().unwrap();
            let (header, claims) = (header(token), claims(token));
            let has = |name: &str| claims.get(name).is_some();
            assert_eq!(header["typ"], "JWT");
            assert_eq!(header.get("x5t"), header.get("kid").filter(|_| v2.is_none()), "{resource}");
            assert_eq!(claims["aud"], v2.unwrap_or(resource));
            let issuer = match v2 {
                None => format!("https://sts.windows.net/{tenant}/"),
                Some(_) => format!("https://login.microsoftonline.com/{tenant}/v2.0"),
            };
            assert_eq!(claims["iss"], issuer);
            let (mine, acr, others) = match v2 {
                None => ("appid", "appidacr", ["azp", "azpacr"]),
                Some(_) => ("azp", "azpacr", ["appid", "idp"]),
            };
            assert_eq!((&claims[mine], &claims[acr]), (&json!(client), &json!("2")));
            assert!(!others.into_iter().any(has) && !has("jti"), "{claims}");
            assert_eq!((&claims["oid"], &claims["sub"]), (&json!(object_id), &json!(object_id)));
            for name in ["aio", "rh", "tid", "ver", "xms_ftd", "xms_idrel"] {
                assert!(claims[name].is_string(), "{name} in {claims}");
            }
            let own = resource.starts_with("api://") && resource != "api://AzureADTokenExchange";
            assert_eq!(has("idtyp"), !own, "{resource}");
            assert_eq!(has("wids"), resource.contains("graph"), "{resource}");
            assert_eq!(has("xms_mirid"), kind != Kind::Application);
            // The log of sign-ins names both.
            let id = answer.headers()["x-ms-request-id"].to_str().unwrap();
            assert!(id.ends_with("00"), "{id}");
            assert_eq!(request_id(claims["uti"].as_str().unwrap()), id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_have_entras_headers_and_throttling_is_plain_text() {
    let sim = Sim::new().unwrap();
    let ask = async || {
        let mut request = request(&sim, &sim.token().unwrap(), SCOPE);
        let id = "0a1b2c3d-0000-4000-8000-000000000002".parse().unwrap();
        request.headers_mut().insert("client-request-id", id);
        request.headers_mut().insert("return-client-request-id", "true".parse().unwrap());
        sim.service().oneshot(request).await.unwrap()
    };
    let good = ask().await;
    sim.faults().inject_next(
        1,
        Target::Entra,
        Fault::Aadsts { code: 700_213, status: None, retry_after: None },
    );
    let refused = ask().await;
    let body: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(body["trace_id"], refused.headers()["x-ms-request-id"].to_str().unwrap());
    assert_eq!(body["correlation_id"], "0a1b2c3d-0000-4000-8000-000000000002");
    let status = StatusCode::TOO_MANY_REQUESTS;
    let retry_after = Some("60".to_owned());
    sim.faults().inject_next(1, Target::Entra, Fault::Status { status, retry_after });
    let throttled = ask().await;
    assert_eq!(
        (throttled.status(), &throttled.headers()["retry-after"]),
        (status, &"60".parse().unwrap())
    );
    assert_eq!(*throttled.body(), "Too Many Requests");
    assert_eq!(throttled.headers()["content-type"], "text/plain; charset=utf-8");
    let entries = sim.journal().entries();
    let asked = entries.iter().filter(|entry| entry.target == Some(Target::Entra));
    for (answer, entry) in [good, refused, throttled].into_iter().zip(asked) {
        // The journal has both ids, as the log of sign-ins does.
        let own = entry.client_request_id.as_deref();
        assert_eq!(own, Some("0a1b2c3d-0000-4000-8000-000000000002"));
        let id = answer.headers().get("x-ms-request-id").map(|id| id.to_str().unwrap());
        assert_eq!(entry.entra_request_id.as_deref(), id);
        for (name, value) in [
            ("cache-control", "no-store, no-cache"),
            ("pragma", "no-cache"),
            ("expires", "-1"),
            ("x-content-type-options", "nosniff"),
            ("client-request-id", "0a1b2c3d-0000-4000-8000-000000000002"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 3);
        assert!(answer.headers().contains_key("x-ms-ests-server"));
    }
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
    assert_eq!(refusal(&sim, &sim.token().unwrap()).await, (401, 70_025));
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
    assert_eq!(refusal(&sim, &sim.token_spec().unsigned()).await, (401, 5_002_738));
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
}

#[tokio::test(start_paused = true)]
async fn entra_refuses_what_no_tenant_has_and_scopes_of_another_form() {
    let resources = vec!["api://orders".to_owned()];
    let sim = Sim::with(Settings { resources, ..Settings::default() }).unwrap();
    let missed = sim.entra().unknown_resources();
    let ask = async |scope: &str| send(&sim, request(&sim, &sim.token().unwrap(), scope)).await;
    let client_id = sim.settings().client_id.clone();
    for resource in [
        "https://vault.azure.net/",
        "https://shop.blob.core.windows.net",
        "499b84ac-1321-427f-aa17-267ca6975798",
        "api://orders",
        "API://Orders/",
        &client_id,
        &format!("api://{}", client_id.to_uppercase()),
    ] {
        let (status, body) = ask(&format!("{resource}/.default")).await;
        assert_eq!(status, 200, "{resource}: {body}");
        // Whatever it is called by, that is what it gets.
        assert_eq!(claims(body["access_token"].as_str().unwrap())["aud"], resource);
    }
    assert!(missed.borrow().is_empty());
    let unknown =
        ["https://vault.azure.com", "https://management.azure.com/.default", "api://order"];
    for resource in unknown {
        let (status, body) = ask(&format!("{resource}/.default")).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_resource")), "{resource}");
        assert_eq!(body["error_codes"], json!([500_011]));
        let words =
            format!("AADSTS500011: The resource principal named {resource} was not found in");
        let told = body["error_description"].as_str().unwrap();
        assert!(told.starts_with(&words) && told.contains("wrong tenant. Trace ID: "), "{told}");
    }
    assert_eq!(*missed.borrow(), unknown);
    for (scope, code) in [
        ("https://vault.azure.net", 1_002_012),
        ("https://vault.azure.net/.default api://orders/.default", 70_011),
        ("orders/.default", 70_011),
        ("/.default", 70_011),
    ] {
        let (status, body) = ask(scope).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_scope")), "{body}");
        assert_eq!(body["error_codes"], json!([code]), "{body}");
        let told = body["error_description"].as_str().unwrap();
        assert!(told.contains(scope), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn entra_goes_on_with_an_issuers_documents_and_its_own_fetches_are_not_the_pods() {
    for (keeps, minutes) in [(None, 30), (Some(45), 45), (Some(0), 0)] {
        let minute = Duration::from_secs(60);
        let asked = keeps.map(|minutes| minute * minutes);
        let settings = Settings::default();
        let entra_keeps = asked.unwrap_or(settings.entra_keeps);
        let sim = Sim::with(Settings { entra_keeps, ..settings }).unwrap();
        let before = sim.token().unwrap();
        assert_eq!(exchange(&sim, &before).await.0, 200);
        sim.issuer().rotate(true).unwrap();
        let after = sim.token().unwrap();
        // However often it is asked.
        for _ in 0..minutes {
            assert_eq!(refusal(&sim, &after).await, (401, 7_000_272));
            assert_eq!(exchange(&sim, &before).await.0, 200);
            sim.clock().advance(minute);
        }
        assert_eq!(exchange(&sim, &after).await.0, 200);
        assert_eq!(exchange(&sim, &before).await.0, 200);
        // Nor does it notice at once what is gone.
        let last = sim.issuer().signer();
        sim.issuer().rotate(false).unwrap();
        let gone = sim.token_spec().sign(&last).unwrap();
        if minutes > 0 {
            assert_eq!(exchange(&sim, &gone).await.0, 200);
            sim.clock().advance(minute * minutes);
        }
        assert_eq!(refusal(&sim, &gone).await, (401, 7_000_272));
        let counts = sim.journal().counts();
        assert_eq!((counts.discovery, counts.jwks), (0, 0));
        let own = sim.journal().entries().iter().filter(|it| it.by == By::Entra).count();
        assert_eq!(own, 2 * if minutes > 0 { 3 } else { 4 }, "{minutes}");
    }
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
        assert!(body["error_description"].as_str().unwrap().contains(" Trace ID: "));
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_holds_no_secret() {
    let sim = Sim::new().unwrap();
    let assertion = sim.token().unwrap();
    let (_, body) = exchange(&sim, &assertion).await;
    let entries = serde_json::to_string(&sim.journal().entries()).unwrap();
    assert!(entries.contains(SCOPE));
    let id = claims(&assertion)["jti"].to_string();
    assert!(entries.contains(&format!("\"assertion\":{id}")), "{entries}");
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
