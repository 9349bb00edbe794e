//! What the admin API does to keys and to time, as seen by a pod.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::*;

impl World {
    async fn ask(&self, path: &str, body: &str) -> Value {
        let (status, answer) = self.admin(path, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    async fn jwks(&self, known: Option<&str>) -> Response {
        let url = format!("{}openid/v1/jwks", self.env("CAMBIST_ISSUER"));
        let mut request = http::Request::get(url);
        if let Some(etag) = known {
            request = request.header("if-none-match", etag);
        }
        self.send(request.body(Bytes::new()).unwrap()).await.unwrap()
    }

    async fn kids(&self) -> Vec<String> {
        let set: Value = serde_json::from_slice(self.jwks(None).await.body()).unwrap();
        let keys = set["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks the API server as a pod does that has mounted the second token.
    async fn api(&self, method: &str, path: &str, body: &Value) -> Response {
        let (host, port) =
            (self.env("KUBERNETES_SERVICE_HOST"), self.env("KUBERNETES_SERVICE_PORT"));
        let token = fs::read_to_string(self.env("CAMBIST_API_TOKEN_FILE")).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://{host}:{port}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::from(body));
        self.send(request.unwrap()).await.unwrap()
    }

    /// The projected token's header and claims.
    fn token(&self) -> (Value, Value) {
        let token = fs::read_to_string(self.env("AZURE_FEDERATED_TOKEN_FILE")).unwrap();
        let mut parts = token.split('.').map(|part| BASE64URL.decode(part).unwrap());
        let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        (next(), next())
    }
}

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn two_hundred_days_of_a_healthy_schedule() {
    let world = up(|_| ()).await;
    let got = world.ask("/sim/schedule", "").await;
    assert_eq!((&got["rotate_after"], &got["expire_after"]), (&json!(45 * DAY), &json!(90 * DAY)));
    let mut signers = vec![world.token().0["kid"].clone()];
    for day in (5..=200).step_by(5) {
        let now = world.ask("/sim/advance", r#"{"seconds":432000}"#).await;
        let (header, claims) = world.token();
        // All of it tells the same time, give or take what this test needs to ask.
        let now = now["unix"].as_i64().unwrap();
        let (_, said) = world.admin("/sim/now", None).await;
        let date = world.jwks(None).await.headers()["date"].to_str().unwrap().to_owned();
        let date = cambist_core::headers::date(&date).map(|at| at.as_secs());
        let times = [claims["iat"].as_i64(), said["unix"].as_i64(), date];
        assert!(
            times.iter().all(|it| it.unwrap().abs_diff(now) < 60),
            "day {day}: {times:?} {now}"
        );

        if header["kid"] != *signers.last().unwrap() {
            assert_eq!(day % 45, 0, "day {day}");
            signers.push(header["kid"].clone());
        }
        let kids = world.kids().await;
        assert_eq!(kids.len(), if day < 45 { 1 } else { 2 }, "day {day}");
        assert_eq!(header["kid"], **kids.last().unwrap());
        assert_eq!(world.exchange().await.0, StatusCode::OK, "day {day}");
    }
    assert_eq!(signers.len(), 5);
    world.ask("/sim/schedule", r#"{"rotate_after":null,"expire_after":null}"#).await;
    world.ask("/sim/advance", r#"{"seconds":31536000}"#).await;
    assert_eq!(world.token().0["kid"], signers[4]);
    assert_eq!(world.kids().await.len(), 2);
}

#[tokio::test]
async fn keys_of_every_kind_can_be_published() {
    let world = up(|_| ()).await;
    let sim = world.running.sim().clone();
    let first = sim.issuer().signer();
    let prepared = world.ask("/sim/prepare", "").await["key"].as_str().unwrap().to_owned();
    assert_eq!(world.kids().await, [first.kid(), &prepared]);
    assert_eq!(world.token().0["kid"], first.kid());
    world.ask("/sim/sign", &format!(r#"{{"kid":"{prepared}"}}"#)).await;
    assert_eq!(world.token().0["kid"], *prepared);
    world.ask("/sim/retire", "").await;
    assert_eq!(world.kids().await, [prepared.as_str()]);

    // A retired key comes back.
    world.ask("/sim/publish", &format!(r#"{{"key":"{}"}}"#, first.kid())).await;
    assert_eq!(world.kids().await, [&prepared, first.kid()]);
    // Then its name comes back, for another key.
    world.ask("/sim/hide", &format!(r#"{{"kid":"{}"}}"#, first.kid())).await;
    let reuse = format!(r#"{{"key":"new","kid":"{}"}}"#, first.kid());
    world.ask("/sim/publish", &reuse).await;
    assert_eq!(world.kids().await, [&prepared, first.kid()]);
    assert_ne!(sim.issuer().jwks()["keys"][1]["n"], first.jwk()["n"]);

    let leak = format!(r#"{{"key":"{prepared}","private":true}}"#);
    world.ask("/sim/publish", &leak).await;
    assert!(sim.issuer().jwks()["keys"][0]["d"].is_string());

    for key in ["short", "low-exponent", "example"] {
        world.ask("/sim/publish", &format!(r#"{{"key":"{key}"}}"#)).await;
    }
    world.ask("/sim/publish", r#"{"jwk":{"kty":"AKP","kid":"pq"},"place":"public"}"#).await;
    world.ask("/sim/publish", r#"{"key":"new","place":"public"}"#).await;
    let (public, api) = (sim.issuer().jwks(), sim.issuer().api_jwks());
    assert_eq!(public["keys"].as_array().unwrap().len(), 7);
    assert_eq!(api["keys"].as_array().unwrap().len(), 5);

    let rotated = world.ask("/sim/rotate", r#"{"alg":"ES256","overlap":false}"#).await;
    assert_eq!(world.token().0, json!({ "alg": "ES256", "kid": rotated["kid"] }));
    let (_, all) = world.admin("/sim/keys", None).await;
    let of =
        |kid: &str| all["keys"].as_array().unwrap().iter().rfind(|it| it["kid"] == kid).cloned();
    assert_eq!(of(&prepared).unwrap()["published"], Value::Null);
    assert_eq!(of(rotated["kid"].as_str().unwrap()).unwrap()["signs"], true);
}

#[tokio::test]
async fn a_pod_reaches_the_api_server_with_its_second_token() {
    let world = up(|_| ()).await;
    let got = world.api("GET", "/openid/v1/jwks", &Value::Null).await;
    assert_eq!((got.status().as_u16(), got.body()), (200, world.jwks(None).await.body()));
    let all = "/api/v1/namespaces/shop/configmaps";
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "history" },
        "data": { "history.json": "x".repeat(200_000) } });
    assert_eq!(world.api("POST", all, &map).await.status(), 201);
    let got = world.api("GET", &format!("{all}/history"), &Value::Null).await;
    let got: Value = serde_json::from_slice(got.body()).unwrap();
    assert_eq!(got["data"], map["data"]);
    assert_eq!(world.api("POST", all, &map).await.status(), 409);

    world.ask("/sim/advance", r#"{"seconds":86400}"#).await;
    assert_eq!(world.api("GET", "/openid/v1/jwks", &Value::Null).await.status(), 200);
    world.ask("/sim/fault", r#"{"target":"api","kind":"status","status":403,"count":1}"#).await;
    assert_eq!(world.api("GET", "/openid/v1/jwks", &Value::Null).await.status(), 403);

    let config = fs::read(world.running.dir().join("kubeconfig")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let port = world.env("KUBERNETES_SERVICE_PORT");
    assert_eq!(config["clusters"][0]["cluster"]["server"], format!("https://127.0.0.1:{port}"));
    assert_eq!(config["users"][0]["user"]["tokenFile"], world.env("CAMBIST_API_TOKEN_FILE"));
}

#[tokio::test]
async fn a_blob_answers_304_and_a_rollout_flaps() {
    let world = up(|_| ()).await;
    assert!(!world.jwks(None).await.headers().contains_key("last-modified"));
    world.ask("/sim/host", r#"{"by":"blob"}"#).await;
    let first = world.jwks(None).await;
    let etag = first.headers()["etag"].to_str().unwrap();
    assert!(first.headers().contains_key("last-modified"));
    let known = world.jwks(Some(etag)).await;
    assert_eq!((known.status().as_u16(), known.body().len()), (304, 0));
    world.ask("/sim/advance", r#"{"seconds":60}"#).await;
    world.ask("/sim/upload", "").await;
    assert_eq!(world.jwks(Some(etag)).await.status(), 200);

    world.ask("/sim/host", r#"{"by":"api-server"}"#).await;
    world.ask("/sim/rollout", r#"{"during":"10m"}"#).await;
    world.ask("/sim/rotate", "").await;
    let mut sizes = Vec::new();
    for _ in 0..4 {
        sizes.push(world.kids().await.len());
    }
    assert_eq!(sizes, [1, 2, 1, 2]);
    world.ask("/sim/advance", r#"{"seconds":600}"#).await;
    assert_eq!([world.kids().await.len(), world.kids().await.len()], [2, 2]);
}

#[tokio::test]
async fn tokens_of_other_forms_are_projected() {
    let world = up(|_| ()).await;
    world.ask("/sim/token", r#"{"form":"long"}"#).await;
    let claims = world.token().1;
    let after = |name: &Value| name.as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(after(&claims["exp"]), 31_536_000);
    let (status, body) = world.exchange().await;
    assert_eq!((status, &body["error_codes"]), (StatusCode::UNAUTHORIZED, &json!([70_023])));

    world.ask("/sim/token", r#"{"form":"legacy"}"#).await;
    let legacy = world.token();
    assert_eq!((legacy.1.get("exp"), legacy.1.get("iat"), legacy.1.get("aud")), (None, None, None));
    world.ask("/sim/rotate", "").await;
    world.ask("/sim/advance", r#"{"seconds":864000}"#).await;
    assert_eq!(world.token(), legacy);
    world.ask("/sim/token", "").await;
    assert_eq!(world.exchange().await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let world = up(|_| ()).await;
    for (path, body, word) in [
        ("/sim/schedule", r#"{"rotate_after":"1m"}"#, "hour"),
        ("/sim/schedule", r#"{"rotate_after":"soon"}"#, "whole numbers"),
        ("/sim/schedule", r#"{"rotate_after":45}"#, "45 has no unit"),
        ("/sim/publish", "{}", "either"),
        ("/sim/publish", r#"{"key":"new","jwk":{}}"#, "either"),
        ("/sim/publish", r#"{"key":"unheard-of"}"#, "/sim/keys"),
        ("/sim/publish", r#"{"key":"example","private":true}"#, "private half"),
        ("/sim/publish", r#"{"key":"new","place":"moon"}"#, "moon"),
        ("/sim/sign", r#"{"kid":"unheard-of"}"#, "/sim/keys"),
        ("/sim/rotate", r#"{"alg":"HS256"}"#, "HS256"),
        ("/sim/host", "{}", "by"),
        ("/sim/rollout", "{}", "during"),
        ("/sim/token", r#"{"form":"paper"}"#, "paper"),
    ] {
        let (status, answer) = world.admin(path, Some(body)).await;
        let error = answer["error"].as_str().unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {error}");
        assert!(word.split('|').any(|word| error.contains(word)), "{path}: {error}");
    }
}
