//! What a fault does to a request.

use std::future;
use std::time::Duration;

use cambist_core::clock::Clock;
use cambist_core::headers::write_date;
use http::{StatusCode, header};
use tower::{BoxError, Service};

use crate::clock::Machine;
use crate::fault::{Fault, Target};
use crate::reply::{Request, Response, response, set};
use crate::world::{Answer, Sim, plain};

impl Fault {
    pub(crate) async fn strike<F>(
        self,
        sim: &Sim,
        target: Target,
        request: &Request,
        fetch: F,
    ) -> Answer
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let answer = match self {
            Self::Hang => future::pending().await,
            Self::Reset => return Answer::Reset,
            Self::Truncate => return cut(sim.honest(target, request, fetch).await),
            Self::Status { status: StatusCode::TOO_MANY_REQUESTS, retry_after }
                if target.grants_tokens() =>
            {
                with_retry(sim.entra().throttle(request), retry_after)
            }
            Self::Status { status, retry_after } => with_retry(plain(status), retry_after),
            Self::Html(status) => response(status, &[("content-type", "text/html")], PAGE),
            Self::Empty(status) => response(status, &[], ""),
            Self::Redirect { location } => {
                response(StatusCode::FOUND, &[("location", &location)], "")
            }
            Self::Body { status, content_type, body } => {
                let mut answer = response(status, &[], body);
                set(answer.headers_mut(), header::CONTENT_TYPE, &content_type);
                answer
            }
            Self::WrongType => {
                response(StatusCode::OK, &[("content-type", "application/json")], wrong(target))
            }
            Self::Aadsts { code, status, retry_after } if target.grants_tokens() => {
                let mut answer = with_retry(sim.entra().refuse_with(request, code), retry_after);
                *answer.status_mut() = status.unwrap_or(answer.status());
                answer
            }
            Self::Stale(age) if matches!(target, Target::Discovery | Target::Jwks) => {
                stale(sim, target, request, age)
            }
            // The first two are no answers, and the others do not apply to this target.
            Self::Latency(_) | Self::DateSkew(_) | Self::Aadsts { .. } | Self::Stale(_) => {
                sim.honest(target, request, fetch).await
            }
        };
        Answer::Whole(answer)
    }
}

fn with_retry(mut answer: Response, retry_after: Option<String>) -> Response {
    if let Some(retry_after) = retry_after {
        set(answer.headers_mut(), header::RETRY_AFTER, &retry_after);
    }
    answer
}

fn cut(mut answer: Response) -> Answer {
    let length = answer.body().len();
    set(answer.headers_mut(), header::CONTENT_LENGTH, &length.to_string());
    answer.body_mut().truncate(length / 2);
    Answer::Cut(answer)
}

fn stale(sim: &Sim, target: Target, request: &Request, age: Duration) -> Response {
    let issuer = sim.issuer();
    let mut answer = match target {
        Target::Jwks => issuer.serve_jwks(age, request.headers()),
        _ => issuer.serve_discovery(request.headers()),
    };
    // A cache passes the origin's own date on (RFC 9111, section 5.1).
    let date = write_date(sim.clock_of(Machine::Issuer).wall() - age);
    set(answer.headers_mut(), header::DATE, &date);
    set(answer.headers_mut(), header::AGE, &age.as_secs().to_string());
    answer
}

fn wrong(target: Target) -> &'static str {
    match target {
        Target::Entra | Target::TokenProxy => {
            r#"{"token_type":["Bearer"],"expires_in":{},"access_token":17}"#
        }
        Target::Discovery => r#"{"issuer":["https://issuer.sim.test"],"jwks_uri":false}"#,
        Target::Jwks | Target::Api => r#"{"keys":{"kty":"RSA"}}"#,
    }
}

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>\
    <body><h1>Our services aren't available right now</h1></body></html>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::Hosting;
    use bytes::Bytes;
    use std::io;
    use tower::ServiceExt;

    async fn jwks(sim: &Sim) -> Result<Response, BoxError> {
        let request = http::Request::get(sim.issuer().jwks_url()).body(Bytes::new()).unwrap();
        sim.service().oneshot(request).await
    }

    async fn struck(fault: Fault) -> Response {
        let sim = Sim::new().unwrap();
        sim.faults().inject(Target::Jwks, fault);
        jwks(&sim).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_as_told() {
        let retry_after = Some("120".to_owned());
        let got =
            struck(Fault::Status { status: StatusCode::TOO_MANY_REQUESTS, retry_after }).await;
        assert_eq!(
            (got.status().as_u16(), &got.headers()["retry-after"]),
            (429, &"120".parse().unwrap())
        );
        let got = struck(Fault::Html(StatusCode::BAD_GATEWAY)).await;
        assert!(got.body().starts_with(b"<!DOCTYPE html>"));
        let got = struck(Fault::Empty(StatusCode::OK)).await;
        assert_eq!((got.status().as_u16(), got.body().len()), (200, 0));
        let got = struck(Fault::Redirect { location: "https://else.test/".to_owned() }).await;
        assert_eq!(
            (got.status().as_u16(), &got.headers()["location"]),
            (302, &"https://else.test/".parse().unwrap())
        );
        let got = struck(Fault::WrongType).await;
        assert!(
            serde_json::from_slice::<serde_json::Value>(got.body()).unwrap()["keys"].is_object()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_truncated_answer_is_shorter_than_it_says() {
        let got = struck(Fault::Truncate).await;
        let said: usize = got.headers()["content-length"].to_str().unwrap().parse().unwrap();
        assert_eq!(got.body().len(), said / 2);
        assert!(said > 100);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_break_and_hang() {
        let sim = Sim::new().unwrap();
        sim.faults().inject_next(1, Target::Jwks, Fault::Reset);
        let error = jwks(&sim).await.unwrap_err();
        let error = error.downcast::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        sim.faults().inject_next(1, Target::Jwks, Fault::Hang);
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, jwks(&sim)).await.is_err());
        assert_eq!(jwks(&sim).await.unwrap().status(), 200);
        let statuses: Vec<_> = sim.journal().entries().iter().map(|it| it.status).collect();
        assert_eq!(statuses, [None, None, Some(200)]);
    }

    #[tokio::test(start_paused = true)]
    async fn latency_takes_its_time_and_no_more() {
        let sim = Sim::new().unwrap();
        sim.faults().inject(Target::Jwks, Fault::Latency(Duration::from_secs(2)));
        let before = sim.clock().boot();
        jwks(&sim).await.unwrap();
        assert_eq!(sim.clock().boot().since(before), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_cache_serves_the_past() {
        let sim = Sim::new().unwrap();
        let old = jwks(&sim).await.unwrap().into_body();
        sim.clock().advance(Duration::from_secs(600));
        sim.issuer().rotate(true).unwrap();
        sim.faults().inject(Target::Jwks, Fault::Stale(Duration::from_secs(300)));
        let got = jwks(&sim).await.unwrap();
        assert_eq!(*got.body(), old);
        assert_eq!(got.headers()["age"], "300");
        assert_eq!(got.headers()["date"], "Mon, 23 Nov 2026 04:18:45 GMT");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_cache_before_a_blob_repeats_the_blobs_own_dates() {
        let sim = Sim::new().unwrap();
        sim.issuer().host(Hosting::Blob);
        let old = jwks(&sim).await.unwrap();
        sim.clock().advance(Duration::from_secs(600));
        sim.issuer().rotate(true).unwrap();
        sim.faults().inject(Target::Jwks, Fault::Stale(Duration::from_secs(300)));
        let got = jwks(&sim).await.unwrap();
        for name in ["etag", "last-modified"] {
            assert_eq!(got.headers()[name], old.headers()[name]);
        }
        assert_eq!((got.body(), &got.headers()["age"]), (old.body(), &"300".parse().unwrap()));
        let known = http::Request::get(sim.issuer().jwks_url())
            .header("if-none-match", &old.headers()["etag"])
            .body(Bytes::new());
        let got = sim.service().oneshot(known.unwrap()).await.unwrap();
        assert_eq!((got.status().as_u16(), &got.headers()["age"]), (304, &"300".parse().unwrap()));
        sim.faults().clear();
        let got = jwks(&sim).await.unwrap();
        assert_eq!(got.headers()["last-modified"], "Mon, 23 Nov 2026 04:23:45 GMT");
    }

    #[tokio::test(start_paused = true)]
    async fn the_date_can_be_wrong() {
        assert_eq!(
            struck(Fault::DateSkew(-45)).await.headers()["date"],
            "Mon, 23 Nov 2026 04:13:00 GMT"
        );
    }
}
