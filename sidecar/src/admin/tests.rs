use cambist_core::scope::Scope;
use cambist_sim::fault::{Fault, Target};

use super::*;
use crate::listener::Peer;
use crate::testing::{LOOPBACK, VAULT, World, ask_admin, json, text};

fn admin(world: &World) -> Admin {
    let credential = world.credential(&world.config(&[]), world.context());
    world.admin(&credential, world.telemetry.clone())
}

fn vault() -> Scope {
    Scope::parse(&format!("{VAULT}/.default")).unwrap()
}

fn credential(admin: &Admin) -> cambist::Credential {
    admin.current.load().credential(0).clone()
}

#[tokio::test(start_paused = true)]
async fn readiness_asks_for_tokens_only_if_told_to() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Reset);
    let admin = admin(&world);
    credential(&admin).prefetch([vault()]);
    assert!(credential(&admin).token(&vault()).await.is_err());
    assert_eq!(ask_admin(&admin, "/ready").status(), 200);
    assert_eq!(ask_admin(&admin, "/live").status(), 200);
    let response = ask_admin(&admin, "/ready?tokens=1");
    assert_eq!(response.status(), 503);
    let body = json(response).await;
    assert_eq!(body["tokens"][0]["resource"], VAULT);
    assert_eq!(body["tokens"][0]["held"], false);
    assert!(body["tokens"][0]["reason"].is_string(), "{body}");

    world.sim.faults().clear();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    credential(&admin).token(&vault()).await.unwrap();
    assert_eq!(ask_admin(&admin, "/ready?tokens=1").status(), 200);
    admin.drain();
    assert_eq!(ask_admin(&admin, "/ready").status(), 503);
    assert_eq!(ask_admin(&admin, "/live").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn status_and_metrics_tell_all_but_secrets() {
    let world = World::new();
    let admin = admin(&world);
    let token = credential(&admin).token(&vault()).await.unwrap();
    let status = json(ask_admin(&admin, "/status.json")).await;
    assert_eq!(status["tokens"][0]["resource"], VAULT);
    assert_eq!(status["issuer_keys"]["keys"].as_array().unwrap().len(), 1);
    assert_eq!(status["key_sources"][0]["outcome"], "read");
    assert_eq!(status["unchecked"]["no_keys"], 0);
    let response = ask_admin(&admin, "/metrics");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let metrics = text(response).await;
    assert!(!metrics.contains("# EOF") && metrics.contains("# TYPE cambist_build_info gauge\n"));
    let accept = "application/openmetrics-text;version=1.0.0,*/*;q=0.1";
    let request =
        Request::get("/metrics").header("Host", "127.0.0.1:8422").header("Accept", accept);
    let response = admin.answer(LOOPBACK, &request.body(()).unwrap());
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()["content-type"], open_metrics);
    assert!(text(response).await.ends_with("\n# EOF\n"));
    assert!(
        metrics.contains("cambist_token_expiry_timestamp_seconds{identity=\"identity\",resource=")
    );
    for text in [status.to_string(), metrics] {
        assert!(!text.contains(token.secret().expose()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchecked_exchange_is_reported() {
    let world = World::new();
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let admin = admin(&world);
    credential(&admin).token(&vault()).await.unwrap();
    let status = json(ask_admin(&admin, "/status.json")).await;
    assert_eq!(status["unchecked"]["no_keys"], 1, "{status}");
    assert_eq!(status["key_sources"][0]["outcome"], "failed");
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_else_and_no_token() {
    let admin = admin(&World::new());
    for path in ["/", "/live/", "/status/", "/ready/x"] {
        let response = ask_admin(&admin, path);
        assert_eq!(response.status(), 404, "{path}");
        let body = json(response).await;
        assert_eq!(body["error"], "not_found");
        assert!(body["message"].as_str().unwrap().contains(PLACES), "{body}");
    }
    for path in ["/msi/token", "/v1/token?scope=a/.default", "/metadata/identity/oauth2/token"] {
        let response = ask_admin(&admin, path);
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(json(response).await["message"], "tokens are served on port 8421");
    }
    let post = Request::post("/live").header("Host", "localhost:8422").body(()).unwrap();
    let response = admin.answer(LOOPBACK, &post);
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD");
    assert!(json(response).await["message"].as_str().unwrap().contains(PLACES));
}

#[tokio::test(start_paused = true)]
async fn the_status_is_a_page_that_no_other_page_gets_at() {
    let admin = admin(&World::new());
    let response = ask_admin(&admin, "/status");
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in
        ["default-src 'none'; style-src 'sha256-", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    let page = text(response).await;
    let own = policy.split("; frame-ancestors").next().unwrap();
    assert!(page.contains(&format!("content=\"{own}\"")), "the page says the same: {page}");
}

#[tokio::test(start_paused = true)]
async fn the_status_is_for_everybody_where_that_is_asked_for() {
    let world = World::new();
    let (peer, local) = (Peer::Other("10.1.1.9".parse().unwrap()), "10.1.0.7".parse().unwrap());
    for (who, expected) in [("loopback", 403), ("any", 200)] {
        let door = door(8422, Vec::new(), who.parse().unwrap());
        let admin = Admin { door, ..admin(&world) };
        for path in ["/status", "/status.json"] {
            let request = Request::get(path).header("Host", "10.1.0.7:8422").body(()).unwrap();
            let response = admin.answer(Ends::new(peer, Some(local)), &request);
            assert_eq!(response.status(), expected, "{who}: {path}");
        }
    }
    assert!("all".parse::<StatusFor>().unwrap_err().contains("loopback, any"));
}

#[tokio::test(start_paused = true)]
async fn who_asks_from_afar_is_told_what_may_be_asked() {
    let admin = admin(&World::new());
    let (peer, local) = (Peer::Other("10.1.1.9".parse().unwrap()), "10.1.0.7".parse().unwrap());
    let far = Ends::new(peer, Some(local));
    let ask = |path: &str, host: &str| {
        admin.answer(far, &Request::get(path).header("Host", host).body(()).unwrap())
    };
    assert_eq!(ask("/metrics", "10.1.0.7:8422").status(), 200);
    for (path, host, reason, words) in [
        ("/status.json", "10.1.0.7:8422", "off_loopback", "/live, /ready, /metrics"),
        ("/metrics", "evil.example:8422", "host_not_allowed", "CAMBIST_ADMIN_HOSTS"),
    ] {
        let response = ask(path, host);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-cambist-reason"]),
            (403, &reason.parse().unwrap())
        );
        let body = json(response).await;
        assert!(body["message"].as_str().unwrap().contains(words), "{body}");
    }
}
