use std::io;
use std::time::Duration;

use tower::service_fn;

use super::*;

mod ca_file;
mod network;
mod token_proxy;

const LIMITS: AnswerLimits = AnswerLimits { max_body: 8, timeout: Duration::from_secs(10) };

fn get() -> Request<Bytes> {
    Request::get("https://user@issuer.example:8443/secret-path?secret=query")
        .body(Bytes::from("secret-body"))
        .unwrap()
}

async fn send(
    answer: impl Fn() -> Result<Response<Bytes>, BoxError> + Clone + Send + Sync + 'static,
) -> Result<Response<Bytes>, TransportError> {
    let service = service_fn(move |_: Request<Bytes>| std::future::ready(answer()));
    Transport::from_service(service).send(get(), LIMITS).await
}

#[tokio::test(start_paused = true)]
async fn time_is_limited_by_whoever_asks() {
    let service = service_fn(|request: Request<Bytes>| async move {
        assert_eq!(request.extensions().get(), Some(&LIMITS));
        std::future::pending::<Result<Response<Bytes>, BoxError>>().await
    });
    let start = tokio::time::Instant::now();
    let error = Transport::from_service(service).send(get(), LIMITS).await.unwrap_err();
    assert_eq!(start.elapsed(), LIMITS.timeout);
    assert_eq!(error.reason().as_str(), "timeout");
    assert_eq!(error.to_string(), "issuer.example:8443: no whole response within 10s");
}

#[tokio::test]
async fn a_body_is_limited_and_a_refusal_is_cut() {
    let body = |status: u16, body: &'static str| {
        send(move || Ok(Response::builder().status(status).body(body.into()).unwrap()))
    };
    assert_eq!(body(200, "12345678").await.unwrap().body(), "12345678");
    let error = body(200, "123456789").await.unwrap_err();
    assert_eq!(error.fault(), &TransportFault::BodyTooLarge(8));
    let refusal = body(503, "123456789").await.unwrap();
    assert_eq!((refusal.status().as_u16(), &refusal.body()[..]), (503, &b"12345678"[..]));
}

#[tokio::test]
async fn errors_are_classified_by_their_causes_and_hide_the_request() {
    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] BoxError);

    let untrusted = || {
        let e = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, e))
    };
    type Failing = fn() -> BoxError;
    let cases: [(Failing, &str); 6] = [
        (|| io::Error::from(io::ErrorKind::ConnectionReset).into(), "connection_lost"),
        (|| io::Error::from(io::ErrorKind::ConnectionRefused).into(), "connect"),
        (|| "anything else".into(), "transport"),
        (|| rustls::Error::HandshakeNotComplete.into(), "tls"),
        (|| TransportError::from(TransportFault::Dns).into(), "dns"),
        (|| TransportFault::Dns.into(), "transport"),
    ];
    for (error, reason) in cases {
        let wrapped = send(move || Err(Wrapped(error()).into())).await.unwrap_err();
        assert_eq!(wrapped.reason().as_str(), reason, "{wrapped}");
        assert_eq!(wrapped.host(), "issuer.example:8443");
        assert!(!format!("{wrapped} {wrapped:?}").contains("secret"));
    }
    let error = send(move || Err(untrusted().into())).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "tls_untrusted");
}

/// Whoever gave a port up is not sent to look for routes alone. By numbers that are Linux's, whose
/// confinement it is.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_forbidden_connection_is_told_as_what_it_may_be() {
    let forbidden = || Err(io::Error::from_raw_os_error(13).into());
    let told = send(forbidden).await.unwrap_err().to_string();
    assert!(told.contains("Permission denied (os error 13): a rule of"), "{told}");
    assert!(told.contains("CAMBIST_CONFINE") && told.contains("CAMBIST_ISSUER"), "{told}");
    let refused = || Err(io::Error::from_raw_os_error(111).into());
    let told = send(refused).await.unwrap_err().to_string();
    assert!(!told.contains("CAMBIST_CONFINE"), "{told}");
}
