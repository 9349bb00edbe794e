//! One message to a collector, and what its answer means
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>).

use std::time::Duration;

use bytes::Bytes;
use cambist::transport::{AnswerLimits, Transport};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, StatusCode};
use prost::Message;

use super::settings::Target;

/// A collector answers with next to nothing.
const MOST: usize = 64 * 1024;

/// So often a message is tried; what is newer waits meanwhile.
const TRIES: u32 = 4;

/// The longest that is waited between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// Posts a message, again if that may help; the answer's body.
///
/// # Errors
/// In words, why it did not come to its end.
pub(super) async fn post(
    (target, transport): &(Target, Transport),
    message: &impl Message,
) -> Result<Bytes, String> {
    let body = Bytes::from(message.encode_to_vec());
    let (mut pause, mut tries) = (Duration::from_secs(1), 1);
    loop {
        match once(transport, target, body.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(Trouble { again: Some(asked), .. }) if tries < TRIES => {
                tokio::time::sleep(asked.max(pause).min(LONGEST)).await;
                pause *= 2;
                tries += 1;
            }
            Err(Trouble { problem, .. }) => return Err(problem),
        }
    }
}

struct Trouble {
    problem: String,
    /// After how long it may help to try again, if ever.
    again: Option<Duration>,
}

async fn once(transport: &Transport, target: &Target, body: Bytes) -> Result<Bytes, Trouble> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = target.url.clone();
    let kind = HeaderValue::from_static("application/x-protobuf");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    for (name, value) in &target.headers {
        request.headers_mut().insert(name, value.clone());
    }
    let limits = AnswerLimits::new(MOST, target.timeout);
    let response = transport.send(request, limits).await;
    let response = response
        .map_err(|error| Trouble { problem: error.to_string(), again: Some(Duration::ZERO) })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response.into_body());
    }
    let asked = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
    let may_help = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let again = may_help.then(|| Duration::from_secs(asked.unwrap_or(0)));
    Err(Trouble { problem: format!("it answers {status}"), again })
}
