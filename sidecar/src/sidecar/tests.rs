use std::time::Duration;

use cambist_sim::fault::{Fault, Target};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::testing::{Lines, SECRET, VAULT, World, request as ask};

fn msi() -> (String, String) {
    let target = format!("/msi/token?api-version=2019-08-01&resource={VAULT}");
    (target, format!("X-IDENTITY-HEADER: {SECRET}\r\n"))
}

#[tokio::test]
async fn an_app_gets_its_token_over_either_family() {
    let world = World::new();
    let running = world.start(&[]).await;
    let (target, secret) = msi();
    for at in running.addresses() {
        let (head, body) = ask(*at, &target, &secret).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let names = [
            "access_token",
            "client_id",
            "expires_in",
            "expires_on",
            "ext_expires_in",
            "not_before",
            "resource",
            "token_type",
        ];
        let places: Vec<_> =
            names.iter().map(|n| body.find(&format!("\"{n}\":\"")).unwrap()).collect();
        assert!(places.is_sorted(), "{body}");
    }
    assert_eq!(world.asked(), (1, 1, 1));
    let (head, _) = ask(running.addresses()[0], &target, "").await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert_eq!(running.drain().await, 0);
}

#[tokio::test]
async fn a_body_ends_the_connection_with_its_refusal() {
    let world = World::new();
    let running = world.start(&[]).await;
    let (target, secret) = msi();
    let at = running.addresses()[0];
    let smuggled = format!("{secret}Content-Length: 40\r\n\r\nGET /msi/token HTTP/1.1\r\n");
    let (head, _) = ask(at, &target, &smuggled).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert!(head.contains("x-cambist-reason: body"), "{head}");
}

#[tokio::test]
async fn many_apps_at_once_cause_one_exchange() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Latency(Duration::from_millis(100)));
    let running = world.start(&[]).await;
    let at = running.addresses()[0];
    // As many as may wait.
    let apps: Vec<_> = (0..512)
        .map(|_| {
            tokio::spawn(async move {
                let (target, secret) = msi();
                ask(at, &target, &secret).await.0
            })
        })
        .collect();
    for app in apps {
        let head = app.await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    }
    assert_eq!(world.asked(), (1, 1, 1));
}

#[tokio::test]
async fn with_everything_down_it_is_ready_and_says_what_is_wrong() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Reset);
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let running = world.start(&[("CAMBIST_PREFETCH", VAULT)]).await;
    let (at, admin) = (running.addresses()[0], running.admin_address().unwrap());
    assert!(ask(admin, "/ready", "").await.0.starts_with("HTTP/1.1 200 "));
    assert!(ask(admin, "/live", "").await.0.starts_with("HTTP/1.1 200 "));
    assert!(ask(admin, "/ready?tokens=1", "").await.0.starts_with("HTTP/1.1 503 "));
    let (target, secret) = msi();
    let (head, body) = ask(at, &target, &secret).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("retry-after: "), "{head}");
    assert!(body.contains("\"statusCode\":503"), "{body}");
    // The admin listener has no tokens, and the token listener no metrics.
    assert!(ask(admin, &target, &secret).await.0.starts_with("HTTP/1.1 403 "));
    assert!(ask(at, "/metrics", &secret).await.0.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn an_app_that_leaves_does_not_take_the_exchange_along() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Latency(Duration::from_millis(200)));
    let running = world.start(&[]).await;
    let at = running.addresses()[0];
    let (target, secret) = msi();
    let mut leaving = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {at}\r\n{secret}\r\n");
    leaving.write_all(request.as_bytes()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        while world.asked().0 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    drop(leaving);
    let (head, _) = ask(at, &target, &secret).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(world.asked().0, 1);
}

#[tokio::test]
async fn no_secret_is_in_any_debug_output() {
    let world = World::new();
    let running = world.start(&[]).await;
    let (target, secret) = msi();
    let (_, body) = ask(running.addresses()[0], &target, &secret).await;
    let token: serde_json::Value = serde_json::from_str(&body).unwrap();
    let text = format!("{running:?} {:?}", world.config(&[]));
    assert!(!text.contains(SECRET) && !text.contains(token["access_token"].as_str().unwrap()));
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let (lines, _guard) = Lines::listen("trace");
    let world = World::new();
    let running = world.start(&[]).await;
    let (target, secret) = msi();
    let at = running.addresses()[0];
    let (_, body) = ask(at, &target, &secret).await;
    let token: serde_json::Value = serde_json::from_str(&body).unwrap();
    let wrong = "X-IDENTITY-HEADER: hunter3hunter3hunter3\r\n";
    assert!(ask(at, &target, wrong).await.0.starts_with("HTTP/1.1 401 "));
    world.sim.faults().inject(Target::Entra, Fault::Reset);
    assert!(ask(at, "/v1/token?scope=https://b/.default", &secret).await.0.contains(" 503 "));
    let admin = running.admin_address().unwrap();
    let status = ask(admin, "/status.json", "").await.1 + &ask(admin, "/metrics", "").await.1;
    running.drain().await;
    let log = lines.text();
    assert!(
        log.contains("\"issued\"") && log.contains("\"refused\"") && log.contains("not issued")
    );
    let assertion = world.assertion();
    for text in [log, status] {
        for secret in [SECRET, "hunter3", token["access_token"].as_str().unwrap(), &assertion] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
    }
}
