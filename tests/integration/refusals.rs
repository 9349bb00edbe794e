//! What yields no token: everything but the one shape.

use kit::sidecar::VAULT;
use kit::{Reply, Request, Sidecar, World};

use crate::{sidecar, sidecar_with};

/// One change to the one shape, and the status and reason it must be refused with.
struct Change {
    request: Request,
    status: u16,
    reason: &'static str,
}

fn change(request: Request, status: u16, reason: &'static str) -> Change {
    Change { request, status, reason }
}

/// Holds a refusal to the one form that every SDK shows to people, and programs can go by.
#[track_caller]
pub(crate) fn assert_refused(reply: &Reply, case: &str) {
    assert!((400..500).contains(&reply.status), "{case}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"), "{case}");
    assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{case}");
    let json = reply.json();
    let names = [
        "error",
        "error_description",
        "error_codes",
        "statusCode",
        "message",
        "correlationId",
        "correlation_id",
        "trace_id",
        "timestamp",
    ];
    for name in names {
        assert!(json.get(name).is_some(), "{case}: no {name} in {reply:?}");
    }
    assert!(json.get("access_token").is_none(), "{case}");
    assert_eq!(json["statusCode"], reply.status, "{case}");
    assert!(!reply.reason().is_empty(), "{case}: {reply:?}");
    let message = json["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("{}: ", reply.reason())), "{case}: {message}");
    assert_eq!(json["error_description"], message, "{case}");
    assert!(reply.status != 403 || !message.contains("unreachable"), "{case}: {message}");
}

/// Every single change to one protocol's good request that must be refused.
fn changes(sidecar: &Sidecar, good: &Request, proof: &str) -> Vec<Change> {
    let port = sidecar.tokens().port();
    let mut changes = Vec::new();
    let good = || good.clone();

    let (status, reason) =
        if proof == "Metadata" { (400, "metadata_header") } else { (401, "identity_header") };
    changes.push(change(good().without(proof), status, reason));
    for wrong in ["", "false", "truetrue", "0123456789abcdef0123456789abcdef"] {
        changes.push(change(good().with(proof, wrong), status, reason));
    }
    changes.push(change(good().header(proof, "true"), status, reason));

    changes.push(change(good().without("Host"), 400, "host"));
    changes.push(change(good().header("Host", sidecar.tokens().to_string()), 400, "host"));
    for host in [
        String::new(),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        format!("localhost.:{port}"),
        format!("user@localhost:{port}"),
        format!("0.0.0.0:{port}"),
        format!("127.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("127.0.0.1:{}", port ^ 1),
        format!("127.0.0.1:{port}, evil.example"),
        "169.254.169.254".to_owned(),
    ] {
        changes.push(change(good().with("Host", host), 403, "host_not_allowed"));
    }

    for name in [
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "Forwarded",
        "Via",
        "X-Real-IP",
    ] {
        changes.push(change(good().header(name, "127.0.0.1"), 403, "forwarded"));
        changes.push(change(good().header(name, ""), 403, "forwarded"));
    }
    for name in ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"] {
        changes.push(change(good().header(name, "same-origin"), 403, "browser"));
        changes.push(change(good().header(name, "null"), 403, "browser"));
    }

    let with_body = good().header("Content-Length", "2").body(b"{}");
    changes.push(change(with_body, 400, "body"));
    let chunked = good().header("Transfer-Encoding", "chunked");
    changes.push(change(chunked.clone().body(b"2\r\n{}\r\n0\r\n\r\n"), 400, "body"));
    changes.push(change(chunked.body(b"0\r\n\r\n"), 400, "body"));

    let resource = if good().path().contains("scope=") { "scope" } else { "resource" };
    let escaped = format!("%{:02x}{}", resource.as_bytes()[0], &resource[1..]);
    for again in [
        format!("&{resource}={VAULT}/.default"),
        format!("&{}={VAULT}", resource.to_uppercase()),
        format!("&{escaped}={VAULT}"),
        format!("&{resource}"),
        "&a=1&a=2".to_owned(),
        "&a=1&A=1".to_owned(),
        "&broken=%".to_owned(),
        "&broken=%f".to_owned(),
        "&broken=%ff".to_owned(),
    ] {
        changes.push(change(good().more(&again), 400, "query"));
    }
    for (extra, reason) in [
        ("&client_id=00000000-0000-0000-0000-000000000000", "identity_not_found"),
        ("&object_id=someone", "identity_not_found"),
        ("&msi_res_id=%2Fsubscriptions%2Fx", "identity_not_found"),
        ("&client_id=a&object_id=b", "identity_conflict"),
    ] {
        changes.push(change(good().more(extra), 403, reason));
    }
    if resource == "resource" {
        let path = good().path().split('?').next().unwrap().to_owned();
        for (query, reason) in [
            (String::new(), "api_version"),
            (format!("?resource={VAULT}"), "api_version"),
            (format!("?api-version=&resource={VAULT}"), "api_version"),
            (format!("?api-version=latest&resource={VAULT}"), "api_version"),
            ("?api-version=2019-08-01".to_owned(), "resource"),
            ("?api-version=2019-08-01&resource=".to_owned(), "resource"),
            ("?api-version=2019-08-01&resource=a%0d%0ab".to_owned(), "resource"),
            ("?api-version=2019-08-01&resource=https://a+https://b".to_owned(), "resource"),
        ] {
            let status = if reason == "resource" { 403 } else { 400 };
            changes.push(change(good().target(format!("{path}{query}")), status, reason));
        }
    } else {
        for scope in ["", "https://a", "https://a/user", "https://a/.default+https://b/.default"] {
            changes.push(change(good().target(format!("/v1/token?scope={scope}")), 400, "scope"));
        }
    }

    for method in ["POST", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "get", "PROPFIND"] {
        changes.push(change(good().method(method), 405, "method"));
    }
    changes.push(change(good().version("HTTP/1.0"), 400, "http_version"));

    let path = good().path().to_owned();
    for base in [
        "http://evil.example".to_owned(),
        format!("http://evil.example:{port}"),
        format!("http://user@127.0.0.1:{port}"),
        format!("https://127.0.0.1:{port}"),
        "http://169.254.169.254".to_owned(),
    ] {
        changes.push(change(good().target(format!("{base}{path}")), 400, "host"));
    }
    changes
}

fn protocols(sidecar: &Sidecar) -> [(Request, &'static str); 3] {
    [
        (sidecar.app_service(VAULT), "X-IDENTITY-HEADER"),
        (sidecar.imds(VAULT), "Metadata"),
        (sidecar.native(VAULT), "X-IDENTITY-HEADER"),
    ]
}

async fn refuse_all(sidecar: &Sidecar) {
    for (good, proof) in protocols(sidecar) {
        for Change { request, status, reason } in changes(sidecar, &good, proof) {
            let case = String::from_utf8_lossy(&request.bytes()).into_owned();
            let reply = sidecar.send(&request).await;
            assert_eq!((reply.status, reply.reason()), (status, reason), "{case}{reply:?}");
            assert_refused(&reply, &case);
            assert_eq!(reply.header("allow").is_some(), status == 405, "{case}");
        }
    }
}

#[tokio::test]
async fn every_single_change_to_the_one_shape_is_refused_cold_and_warm() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    refuse_all(&sidecar).await;
    let counts = world.counts().await;
    assert_eq!((counts.entra, counts.discovery, counts.jwks), (0, 0, 0), "nobody was asked");

    // And now that there is a token that could be had.
    for (good, _) in protocols(&sidecar) {
        assert_eq!(sidecar.send(&good).await.status, 200);
    }
    refuse_all(&sidecar).await;
    assert_eq!(world.counts().await.entra, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_words_that_sdks_look_for_are_there() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let bare = sidecar.app_service(VAULT).without("X-IDENTITY-HEADER");
    let reply = sidecar.send(&bare).await;
    assert_eq!((reply.status, reply.member("error").as_str()), (401, "unauthorized"));
    assert_eq!(reply.header("www-authenticate"), None, "that would be Azure Arc's protocol");
    let bare = sidecar.imds(VAULT).without("Metadata");
    let reply = sidecar.send(&bare).await;
    assert_eq!((reply.status, reply.member("error").as_str()), (400, "bad_request_102"));
    let description = "metadata_header: Required metadata header not specified";
    assert_eq!(reply.member("error_description"), description);
    let other = sidecar.imds(VAULT).more("&client_id=00000000-0000-0000-0000-000000000000");
    let reply = sidecar.send(&other).await;
    assert!(reply.member("message").contains("Identity not found"), "{reply:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn methods_with_rules_of_their_own_are_refused_too() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let good = sidecar.app_service(VAULT);
    let reply = sidecar.send(&good.clone().method("HEAD")).await;
    assert_eq!((reply.status, reply.body.len()), (405, 0), "{reply:?}");
    for target in [sidecar.tokens().to_string(), "evil.example:443".to_owned()] {
        let connect = good.clone().method("CONNECT").target(&target);
        let reply = sidecar.send(&connect).await;
        assert_refused(&reply, &format!("CONNECT {target}"));
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn the_admin_listener_never_serves_a_token() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let token = sidecar.token(VAULT).await.member("access_token");
    for path in ["/live", "/ready", "/ready?tokens=1", "/metrics", "/status.json"] {
        let reply = sidecar.ask_admin(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(!reply.everything().contains(&token), "{path}");
    }
    let header = &world.env()["IDENTITY_HEADER"];
    for good in [sidecar.app_service(VAULT), sidecar.imds(VAULT), sidecar.native(VAULT)] {
        let request = good.with("Host", sidecar.admin().to_string());
        let request = request.with("X-IDENTITY-HEADER", header);
        let reply = kit::http::send(sidecar.admin(), &request.bytes()).await.unwrap();
        assert_eq!(reply.status, 403, "{reply:?}");
        let port = format!("port {}", sidecar.tokens().port());
        assert!(reply.member("message").ends_with(&port), "{reply:?}");
    }
    for path in ["/", "/debug", "/live/", "/status.json/", "/%6cive"] {
        assert_eq!(sidecar.ask_admin(path).await.status, 404, "{path}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn the_admin_listener_has_the_same_front_door() {
    let world = World::start().await;
    let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_ADMIN_HOSTS", "cambist.svc")).await;
    let at = sidecar.admin();
    let good = || Request::get("/live").header("Host", at.to_string());
    let mut changes = vec![
        change(good().without("Host"), 400, "host"),
        change(good().header("Host", at.to_string()), 400, "host"),
        change(good().target(format!("http://{at}/live")), 400, "host"),
        change(good().target("http://evil.example/live"), 400, "host"),
        change(good().version("HTTP/1.0"), 400, "http_version"),
        change(good().header("Content-Length", "2").body(b"{}"), 400, "body"),
        change(good().header("Transfer-Encoding", "chunked").body(b"0\r\n\r\n"), 400, "body"),
        change(good().method("CONNECT").target(at.to_string()), 400, "host"),
    ];
    for host in ["", "evil.example", "127.0.0.1.nip.io", "0.0.0.0", "169.254.169.254", "svc"] {
        let host = format!("{host}:{}", at.port());
        changes.push(change(good().with("Host", host), 403, "host_not_allowed"));
    }
    for name in ["X-Forwarded-For", "Forwarded", "Via"] {
        changes.push(change(good().header(name, "10.0.0.1"), 403, "forwarded"));
    }
    for name in ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"] {
        changes.push(change(good().header(name, "null"), 403, "browser"));
    }
    for Change { request, status, reason } in changes {
        let case = String::from_utf8_lossy(&request.bytes()).into_owned();
        let reply = kit::http::send(at, &request.bytes()).await.unwrap();
        assert_eq!((reply.status, reply.reason()), (status, reason), "{case}{reply:?}");
        assert_refused(&reply, &case);
    }
    for host in [format!("localhost:{}", at.port()), "cambist.svc".to_owned(), at.to_string()] {
        let reply = kit::http::send(at, &good().with("Host", &host).bytes()).await.unwrap();
        assert_eq!(reply.status, 200, "{host}: {reply:?}");
    }
    sidecar.stop().await;
}
