use crate::issuer::Place;
use crate::keys::SigningKey;
use crate::world::Sim;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;

async fn ask(
    sim: &Sim,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut request =
        http::Request::builder().method(method).uri(format!("https://api.sim.test{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = sim.service().oneshot(request.body(body).unwrap()).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

async fn get(sim: &Sim, token: &str, path: &str) -> (u16, Value) {
    ask(sim, Some(token), "GET", path, &Value::Null).await
}

#[tokio::test(start_paused = true)]
async fn serves_its_own_view_of_the_keys() {
    let sim = Sim::new().unwrap();
    let foreign = sim.issuer().prepare().unwrap();
    sim.issuer().publish_in(Place::Public, &foreign);
    let token = sim.api_token().unwrap();
    let (status, set) = get(&sim, &token, "/openid/v1/jwks").await;
    assert_eq!((status, &set), (200, &json!({ "keys": [sim.issuer().signer().jwk()] })));
    let (status, document) = get(&sim, &token, "/.well-known/openid-configuration").await;
    assert_eq!((status, &document["issuer"]), (200, &json!(sim.settings().issuer)));
    assert_ne!(document["jwks_uri"], sim.issuer().jwks_url());
    assert_eq!(sim.journal().counts().api, 2);
}

#[tokio::test(start_paused = true)]
async fn believes_only_tokens_made_for_it() {
    let sim = Sim::new().unwrap();
    let (path, signer) = ("/openid/v1/jwks", sim.issuer().signer());
    let (status, body) = ask(&sim, None, "GET", path, &Value::Null).await;
    assert_eq!((status, &body["kind"], &body["code"]), (401, &json!("Status"), &json!(401)));

    let spec = || sim.token_spec().claim("aud", [sim.settings().api_audience.as_str()].as_slice());
    let forger = SigningKey::generate_ec().unwrap();
    sim.issuer().publish_in(Place::Public, &forger);
    for (why, bad) in [
        ("audience", sim.token().unwrap()),
        ("issuer", spec().claim("iss", "https://else.test").sign(&signer).unwrap()),
        ("time", spec().claim("nbf", 1_795_407_226_u32).sign(&signer).unwrap()),
        ("kid", spec().without_header("kid").sign(&signer).unwrap()),
        ("key", spec().sign(&forger).unwrap()),
        ("signature", spec().header("kid", signer.kid()).sign(&forger).unwrap()),
        ("unsigned", spec().unsigned()),
        ("junk", "junk".to_owned()),
    ] {
        assert_eq!(get(&sim, &bad, path).await.0, 401, "{why}");
    }

    let own = sim.api_token().unwrap();
    assert_eq!(get(&sim, &own, path).await.0, 200);
    sim.clock().advance(Duration::from_secs(3600));
    assert_eq!(get(&sim, &own, path).await.0, 401);
    sim.issuer().rotate_to(&SigningKey::generate_ec().unwrap(), true);
    assert_eq!(get(&sim, &sim.api_token().unwrap(), path).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn of_two_writers_one_is_told_to_read_again() {
    let sim = Sim::new().unwrap();
    let token = sim.api_token().unwrap();
    let all = "/api/v1/namespaces/shop/configmaps";
    let one = &format!("{all}/history");
    let send =
        async |method, path: &str, body: &Value| ask(&sim, Some(&token), method, path, body).await;
    assert_eq!(send("GET", one, &Value::Null).await.0, 404);

    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "history" },
        "data": { "a": "1" },
    });
    assert_eq!(send("PUT", one, &map).await.0, 404);
    let (status, made) = send("POST", all, &map).await;
    assert_eq!((status, &made["metadata"]["namespace"]), (201, &json!("shop")));
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-11-23T04:13:45Z");
    let (status, body) = send("POST", all, &map).await;
    assert_eq!((status, &body["reason"]), (409, &json!("AlreadyExists")));

    let (_, mut mine) = send("GET", one, &Value::Null).await;
    assert_eq!(mine, made);
    sim.api().config_maps().set("shop", "history", &[("a", "2")]);
    mine["data"]["a"] = "3".into();
    let (status, body) = send("PUT", one, &mine).await;
    assert_eq!((status, &body["reason"]), (409, &json!("Conflict")));
    let (_, mut mine) = send("GET", one, &Value::Null).await;
    assert_eq!(mine["data"]["a"], "2");
    mine["data"]["a"] = "3".into();
    let (status, written) = send("PUT", one, &mine).await;
    assert_eq!((status, &written["data"]["a"]), (200, &json!("3")));
    assert_eq!(sim.api().config_maps().get("shop", "history"), Some(written.clone()));
    assert_eq!(written["metadata"]["uid"], made["metadata"]["uid"]);
    assert_ne!(written["metadata"]["resourceVersion"], mine["metadata"]["resourceVersion"]);
    assert_eq!(send("PUT", one, &map).await.0, 200, "without a resourceVersion it wins");
}

#[tokio::test(start_paused = true)]
async fn refuses_what_is_no_config_map() {
    let sim = Sim::new().unwrap();
    let token = sim.api_token().unwrap();
    let all = "/api/v1/namespaces/shop/configmaps";
    let map = |change: fn(&mut Value)| {
        let mut map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": {},
        });
        change(&mut map);
        map
    };
    for (body, want) in [
        (map(|it| it["kind"] = "Secret".into()), 400),
        (map(|it| it["metadata"]["namespace"] = "other".into()), 400),
        (map(|it| it["metadata"]["name"] = Value::Null), 422),
        (map(|it| it["metadata"]["resourceVersion"] = "7".into()), 400),
        (map(|it| it["data"]["n"] = 1.into()), 400),
        (map(|it| it["data"]["n"] = "x".repeat(1024 * 1024 + 1).into()), 422),
        (map(|it| it["data"]["n"] = "x".repeat(1024 * 1024).into()), 201),
        (json!([]), 400),
    ] {
        let (status, answer) = ask(&sim, Some(&token), "POST", all, &body).await;
        assert_eq!(status, want, "{}", answer["message"]);
    }
    assert_eq!(ask(&sim, Some(&token), "DELETE", all, &Value::Null).await.0, 405);
    let elsewhere = "/api/v1/namespaces/shop/secrets/token";
    assert_eq!(get(&sim, &token, elsewhere).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn each_api_server_has_keys_of_its_own_once_it_is_given_some() {
    let second = "https://api-2.sim.test";
    let settings =
        crate::Settings { more_api_servers: vec![second.to_owned()], ..crate::Settings::default() };
    let sim = Sim::with(settings).unwrap();
    let (old, new) = (sim.issuer().signer(), sim.issuer().prepare().unwrap());
    let of_the_old = sim.api_token().unwrap();
    let set = async |server: &str, token: &str| {
        let request = http::Request::get(format!("{server}/openid/v1/jwks"))
            .header("authorization", format!("Bearer {token}"));
        let response = sim.service().oneshot(request.body(Bytes::new()).unwrap()).await.unwrap();
        let set: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), set["keys"].as_array().map_or(0, Vec::len))
    };
    let first = &sim.settings().api_server;
    sim.apis()[1].accept(&[old.clone(), new.clone()]);
    sim.apis()[1].sign_with(&new);
    assert_eq!(set(first, &of_the_old).await, (200, 1));
    assert_eq!(set(second, &of_the_old).await, (200, 2));
    // Whoever asks for tokens gets them of each in turn.
    let tokens = [(); 4].map(|()| sim.api_token().unwrap());
    let believed =
        |number: usize| tokens.iter().filter(|it| sim.apis()[number].believes(it)).count();
    assert_eq!((believed(0), believed(1)), (2, 4));
    sim.apis()[1].accept(&[new]);
    assert_eq!(set(second, &of_the_old).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn makes_tokens_on_request() {
    let sim = Sim::new().unwrap();
    let new = sim.issuer().prepare().unwrap();
    sim.api().sign_with(&new);
    let own = sim
        .issuer()
        .sign(&sim.token_spec().claim("aud", [sim.settings().api_audience.as_str()].as_slice()));
    let own = own.unwrap();
    let path = "/api/v1/namespaces/shop/serviceaccounts/app/token";
    let asked = json!({ "spec": { "audiences": ["a"], "expirationSeconds": 600 } });
    let (status, made) = ask(&sim, Some(&own), "POST", path, &asked).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["status"]["expirationTimestamp"], "2026-11-23T04:23:45Z");
    let token = made["status"]["token"].as_str().unwrap();
    let part = |n: usize| {
        use base64::Engine as _;
        let text = token.split('.').nth(n).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    assert_eq!(part(0)["kid"], new.kid());
    assert_eq!(part(1)["sub"], "system:serviceaccount:shop:app");
    assert_eq!(part(1)["aud"], json!(["a"]));
    let short = json!({ "spec": { "expirationSeconds": 599 } });
    assert_eq!(ask(&sim, Some(&own), "POST", path, &short).await.0, 422);
    assert_eq!(ask(&sim, None, "POST", path, &asked).await.0, 401);
}
