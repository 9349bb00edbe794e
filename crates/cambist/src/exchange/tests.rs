use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambist_core::admission::{Admission, Circumstances, Mode, Standing, Unchecked};
use cambist_core::refresh::Failure;
use cambist_core::scope::Audience;
use cambist_core::token::ProjectedToken;
use cambist_core::verify::{OwnTokenVerifier, Rules};
use http::Response;
use http::header::{DATE, LOCATION, RETRY_AFTER};
use tower::{BoxError, service_fn};

use cambist_core::clock::{BootTime, UnixTime};

use super::*;

mod codes;
mod corpus;
mod replies;

const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);
const ISSUER: &str = "https://issuer.example/cluster/";
const SUBJECT: &str = "system:serviceaccount:payments:api";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// Time that goes as tokio's paused clock goes.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn wall(&self) -> UnixTime {
        NOW + self.0.elapsed()
    }

    fn boot(&self) -> BootTime {
        BootTime::from_origin(self.0.elapsed())
    }
}

/// An unsigned token, let through because there is no key to check it with.
fn assertion() -> Assertion {
    let (iat, exp) = (NOW.as_secs() - 60, NOW.as_secs() + 3540);
    let payload = format!(
        r#"{{"iss":"{ISSUER}","sub":"{SUBJECT}","aud":["api://AzureADTokenExchange"],"iat":{iat},"nbf":{iat},"exp":{exp}}}"#
    );
    let parts = [r#"{"alg":"RS256","kid":"key-7"}"#, &payload, "a signature, or so it seems: ÿþý"];
    let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let verifier = OwnTokenVerifier::DangerUnpinned(Rules::new(Audience::entra()));
    let world = Circumstances::new(Err("none in this test"), NOW);
    let token = ProjectedToken::parse(&token).unwrap();
    Admission::new(verifier, Mode::Audit).admit(token, world).unwrap()
}

fn scope() -> Scope {
    Scope::parse("https://vault.azure.net/.default").unwrap()
}

fn over(transport: Transport) -> Exchange {
    let tenant = TenantId::parse(TENANT).unwrap();
    let clock = Arc::new(Paused(tokio::time::Instant::now()));
    Exchange::new(transport, Authority::public(), tenant, CLIENT, clock)
}

fn answering(answer: impl Fn() -> Response<Bytes> + Clone + Send + Sync + 'static) -> Exchange {
    over(Transport::from_service(service_fn(move |_: Request<Bytes>| {
        std::future::ready(Ok::<_, BoxError>(answer()))
    })))
}

async fn ask(exchange: &Exchange) -> Result<AccessToken, ExchangeError> {
    exchange.exchange(&assertion(), &scope()).await
}

const GRANTED: &str = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"azure.token-1"}"#;

#[tokio::test(start_paused = true)]
async fn the_request_is_what_entra_expects_byte_for_byte() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let transport = Transport::from_service(service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<Bytes>| {
            seen.lock().unwrap().push(request);
            std::future::ready(Ok::<_, BoxError>(Response::new(GRANTED.into())))
        }
    }));
    let token = ask(&over(transport)).await.unwrap();
    assert_eq!(token.secret().expose(), "azure.token-1");
    assert_eq!(token.standing(), Some(Standing::Unchecked(Unchecked::NoKeys)));
    assert!(!format!("{token:?}").contains("azure.token"));

    let [request] = &seen.lock().unwrap()[..] else { panic!("one request") };
    let url = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", url));
    assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(request.headers()[ACCEPT], "application/json");
    assert_eq!(request.headers()["client-request-id"], token.receipt().request_id().to_string());
    assert_eq!(request.headers()["return-client-request-id"], "true");
    let expected = format!(
        "client_assertion={}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id={CLIENT}&grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default",
        assertion().secret().expose()
    );
    assert_eq!(request.body(), expected.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_receipt_says_what_vouched_when_and_under_which_ids() {
    let exchange =
        over(Transport::from_service(service_fn(|request: Request<Bytes>| async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let echoed = request.headers()["client-request-id"].clone();
            let response = Response::builder().header("client-request-id", echoed);
            let response =
                response.header("x-ms-request-id", "6af7a6e2-2b3a-4d0a-9d5f-1f1e3c000c00");
            Ok::<_, BoxError>(response.body(Bytes::from(GRANTED)).unwrap())
        })));
    let token = ask(&exchange).await.unwrap();
    let receipt = token.receipt();
    assert_eq!(receipt.correlation_id(), Some(&*receipt.request_id().to_string()));
    assert_eq!(receipt.entra_request_id(), Some("6af7a6e2-2b3a-4d0a-9d5f-1f1e3c000c00"));
    assert_eq!((receipt.sent_at(), receipt.received_at()), (NOW, NOW + Duration::from_secs(2)));
    assert_eq!(receipt.took(), Duration::from_secs(2));
    assert_eq!(receipt.standing(), Some(Standing::Unchecked(Unchecked::NoKeys)));
    assert_eq!((receipt.key(), receipt.verdict()), (None, None));
    let again = ask(&exchange).await.unwrap();
    assert_ne!(again.receipt().request_id(), receipt.request_id());
}

#[tokio::test(start_paused = true)]
async fn failures_have_ids_too_and_only_such_as_are() {
    let answer = |status: u16, body: &'static str, id: &'static str| {
        answering(move || {
            let response = Response::builder().status(status).header("x-ms-request-id", id);
            response.header("client-request-id", id).body(body.into()).unwrap()
        })
    };
    let refusal = r#"{"error":"invalid_client","correlation_id":"c-1"}"#;
    let error = ask(&answer(401, refusal, "r-1")).await.unwrap_err();
    let entra = error.entra().unwrap();
    assert_eq!((entra.entra_request_id(), entra.correlation_id()), (Some("r-1"), Some("c-1")));
    assert_eq!(entra.request_id(), error.request_id());
    let error = ask(&answer(502, "<html>", "r-2")).await.unwrap_err();
    assert_eq!(error.entra_request_id(), Some("r-2"));
    let error = ask(&answer(502, "<html>", "all is well, go on")).await.unwrap_err();
    assert_eq!(error.entra_request_id(), None);
}

#[test]
fn values_cannot_break_out_of_the_form() {
    let scope = Scope::parse("api://%&=+;/.default").unwrap();
    let tenant = TenantId::parse(TENANT).unwrap();
    let names = ["client_assertion", "client_assertion_type", "client_id", "grant_type", "scope"];
    let principal = Principal::new(tenant.clone(), "a b");
    let body = form(assertion().secret(), &principal, &scope);
    assert!(body.ends_with(b"&client_id=a+b&grant_type=client_credentials&scope=api%3A%2F%2F%25%26%3D%2B%3B%2F.default"));
    let read = |body: &[u8]| -> Vec<String> {
        form_urlencoded::parse(body).map(|(name, _)| name.into_owned()).collect()
    };
    assert_eq!(read(&body), names);
    let blueprint = Principal::blueprint(tenant, "a b", "c&scope=d");
    let body = form(assertion().secret(), &blueprint, &scope);
    let mut names = names.to_vec();
    names.insert(3, "fmi_path");
    assert_eq!(read(&body), names);
}

#[tokio::test(start_paused = true)]
async fn validity_counts_from_sending() {
    let exchange = over(Transport::from_service(service_fn(|_: Request<Bytes>| async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        Ok::<_, BoxError>(Response::new(GRANTED.into()))
    })));
    tokio::time::advance(Duration::from_secs(100)).await;
    let token = ask(&exchange).await.unwrap();
    let at = |secs| BootTime::from_origin(Duration::from_secs(secs));
    assert_eq!(token.sent_at(), at(100));
    assert_eq!(token.not_before(), NOW + Duration::from_secs(100));
    assert_eq!(token.expires_on(), NOW + Duration::from_secs(3699));
    assert_eq!(token.remaining_at(at(107)).as_secs(), 3592);
    assert_eq!(token.remaining_at(at(3699)), Duration::ZERO);
    assert_eq!(token.remaining_at(at(9999)), Duration::ZERO);
    assert_eq!(token.remaining_at(at(0)).as_secs(), 3599);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_and_asks_once() {
    let calls = Arc::new(Mutex::new(0));
    let exchange = over(Transport::from_service(service_fn({
        let calls = Arc::clone(&calls);
        move |_: Request<Bytes>| {
            *calls.lock().unwrap() += 1;
            std::future::pending::<Result<Response<Bytes>, BoxError>>()
        }
    })));
    let error = ask(&exchange).await.unwrap_err();
    assert_eq!((error.reason().as_str(), error.failure()), ("timeout", Failure::Transient));
    assert!(error.status().is_none() && error.retry_after().is_none() && error.entra().is_none());
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_seconds_or_a_date_and_has_a_limit() {
    let later = Some("Mon, 23 Nov 2026 06:00:00 GMT");
    for (retry_after, date, expected) in [
        ("60", None, Some(60)),
        (" 60 ", None, Some(60)),
        ("0", None, None),
        ("-5", None, None),
        ("+5", None, None),
        ("1.5", None, None),
        ("soon", None, None),
        ("", None, None),
        ("86400", None, Some(3600)),
        ("99999999999999999999999999", None, Some(3600)),
        // NOW is 04:13:45.
        ("Mon, 23 Nov 2026 04:15:45 GMT", None, Some(120)),
        ("Mon, 23 Nov 2026 04:15:45 GMT", later, None),
        ("Mon, 23 Nov 2026 06:00:30 GMT", later, Some(30)),
        ("Monday, 23-Nov-26 04:15:45 GMT", None, Some(120)),
        ("Mon, 23 Nov 2099 00:00:00 GMT", None, Some(3600)),
        ("Mon, 23 Nov 1926 00:00:00 GMT", None, None),
    ] {
        let exchange = answering(move || {
            let mut builder = Response::builder().status(429).header(RETRY_AFTER, retry_after);
            if let Some(date) = date {
                builder = builder.header(DATE, date);
            }
            builder.body(Bytes::new()).unwrap()
        });
        let error = ask(&exchange).await.unwrap_err();
        assert_eq!(error.retry_after().map(|d| d.as_secs()), expected, "{retry_after} {date:?}");
        assert_eq!(
            (error.reason().as_str(), error.failure()),
            ("entra_throttled", Failure::Transient)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_refused_with_its_target() {
    for (location, word) in [
        (Some("https://portal.example/login?x=1"), "redirect to portal.example is refused"),
        (Some("/relative"), "redirect is refused"),
        (None, "redirect is refused"),
    ] {
        let exchange = answering(move || {
            let mut builder = Response::builder().status(307);
            if let Some(location) = location {
                builder = builder.header(LOCATION, location);
            }
            builder.body(GRANTED.into()).unwrap()
        });
        let error = ask(&exchange).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "redirect_refused");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn through_a_token_proxy_its_own_answers_are_told_from_entras() {
    let proxy = TokenProxyOptions::parse("https://proxy.example:6443/binding").unwrap();
    const REFUSED: &str = r#"{"error":"invalid_client","error_codes":[700211]}"#;
    for (status, body, reason, failure) in [
        (503, "<html>", "token_proxy_unavailable", Failure::Transient),
        (429, "", "token_proxy_throttled", Failure::Transient),
        (404, "nothing here", "token_proxy_refused", Failure::Permanent),
        (200, "{}", "token_proxy_reply_unusable", Failure::Transient),
        (307, "", "redirect_refused", Failure::Transient),
        (401, REFUSED, "entra_no_matching_credential", Failure::Replicating),
    ] {
        let exchange =
            answering(move || Response::builder().status(status).body(body.into()).unwrap());
        let error = ask(&exchange.through(&proxy)).await.unwrap_err();
        assert_eq!((error.reason().as_str(), error.failure()), (reason, failure), "{error}");
        let words = error.to_string();
        assert_eq!(words.starts_with("the token proxy"), error.entra().is_none(), "{words}");
    }
    let silent = |_: Request<Bytes>| std::future::pending::<Result<Response<Bytes>, BoxError>>();
    let exchange = over(Transport::from_service(service_fn(silent))).through(&proxy);
    let error = ask(&exchange).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "timeout");
    assert!(error.to_string().contains("proxy.example:6443"), "{error}");
}

#[test]
fn authorities_are_known_or_allowed_https_origins() {
    let allowed = ["https://127.0.0.1:8443", "https://Login.Example/"];
    for (good, url) in [
        ("https://login.microsoftonline.com", "https://login.microsoftonline.com/"),
        ("HTTPS://LOGIN.MICROSOFTONLINE.COM:443/", "https://login.microsoftonline.com/"),
        ("https://login.partner.microsoftonline.cn", "https://login.partner.microsoftonline.cn/"),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/"),
        ("https://login.example", "https://login.example/"),
    ] {
        let authority = Authority::parse(good, &allowed).unwrap();
        let url = format!("{url}{TENANT}/oauth2/v2.0/token");
        assert_eq!(authority.token_url(&TenantId::parse(TENANT).unwrap()).to_string(), url);
    }
    for (bad, word) in [
        ("", "no URL"),
        ("login.microsoftonline.com", "no URL"),
        ("http://login.microsoftonline.com", "only https"),
        ("https://", "host"),
        ("https://user:s3cret@login.microsoftonline.com", "password"),
        ("https://login.microsoftonline.com@evil.example", "password"),
        ("https://login.microsoftonline.com//", "path"),
        ("https://login.microsoftonline.com/tenant", "path"),
        ("https://login.microsoftonline.com?x", "query"),
        ("https://login.microsoftonline.com#x", "fragment"),
        ("https://evil.example\\.login.microsoftonline.com", "path"),
        ("https://login.microsoftonline.com.", "DNS name"),
        ("https://login.microsoftonline.com:0", "port"),
        ("https://login.microsoftonline.com:0443", "port"),
        ("https://login.microsoftonline.com:", "port"),
        ("https://login.microsoftonline.com:8443", "neither"),
        ("https://127.0.0.1:8444", "allowed: 127.0.0.1:8443, login.example"),
        ("https://login.microsoftonline.com.evil.example", "neither"),
        ("https://[::1", "host"),
        ("https://[::1]:8443", "neither"),
        ("https://lögin.example", "DNS name"),
        ("https://login.example\n", "DNS name"),
    ] {
        let error = Authority::parse(bad, &allowed).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("s3cret"), "{bad}: {error}");
    }
    // What is allowed must itself make sense.
    let error = Authority::parse("https://login.microsoftonline.com", &["*"]).unwrap_err();
    assert!(error.to_string().contains("\"*\""), "{error}");
    assert!(Authority::parse("https://[::1]:8443", &["https://[::1]:8443/"]).is_ok());
}

#[test]
fn tenants_are_guids_or_domains() {
    for good in [TENANT, "contoso.onmicrosoft.com", "a.b"] {
        assert_eq!(TenantId::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "common",
        "organizations",
        "consumers",
        "..",
        "../x",
        "a/b.c",
        "a.b/..",
        "a..b",
        ".a",
        "a.",
        "a%2f.b",
        "a b.c",
        "-a.b",
        "72f988bf86f141af91ab2d7cd011db47",
        "a.b?x",
        "a.b#x",
        "ä.b",
        "72f988bf-86f1-41af-91ab-2d7cd011db4g",
        "72f988bf-86f1-41af-91ab-2d7cd011db47-1",
    ] {
        assert!(TenantId::parse(bad).is_err(), "{bad}");
    }
}
