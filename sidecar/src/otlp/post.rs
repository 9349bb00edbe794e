//! One message to a collector, and what its answer means
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>).

use std::time::Duration;

use bytes::Bytes;
use cambist::transport::{AnswerLimits, Transport};
use cambist_core::foreign::brief;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, StatusCode};
use prost::Message;
use tokio::time::Instant;

use super::settings::{Signal, Target};

/// A collector answers with next to nothing.
const MOST: usize = 64 * 1024;

/// The longest that is waited between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// Most bytes of a trouble that is logged.
const MESSAGE: usize = 400;

/// What the log was told of a collector: when it begins to go wrong, and when it is well again.
#[derive(Debug)]
pub(super) struct Told {
    signal: Signal,
    failing: bool,
}

impl Told {
    pub(super) fn nothing(signal: Signal) -> Self {
        Self { signal, failing: false }
    }

    pub(super) fn fails(&mut self, problem: &str) {
        if !self.failing {
            let (signal, problem) = (self.signal.as_str(), brief(&problem, MESSAGE));
            tracing::warn!(
                signal,
                problem,
                "the collector does not take what is sent by OTLP; it is told once more when it does"
            );
        }
        self.failing = true;
    }

    pub(super) fn works(&mut self) {
        if self.failing {
            let signal = self.signal.as_str();
            tracing::info!(signal, "the collector takes what is sent by OTLP again");
        }
        self.failing = false;
    }

    /// So many records are lost.
    pub(super) fn lost(&self, number: u64) {
        let signal = self.signal.as_str();
        tracing::warn!(signal, number, "what could not be sent by OTLP is dropped");
    }
}

/// Posts a message, again for so long where that may help; the answer's body. What is newer waits meanwhile.
///
/// # Errors
/// In words, why it did not come to its end.
pub(super) async fn post(
    (target, transport): &(Target, Transport),
    message: &impl Message,
    patience: Duration,
    told: &mut Told,
) -> Result<Bytes, String> {
    let body = Bytes::from(message.encode_to_vec());
    let (mut pause, begun) = (Duration::from_secs(1), Instant::now());
    loop {
        let Trouble { problem, again } = match once(transport, target, body.clone()).await {
            Ok(answer) => {
                told.works();
                return Ok(answer);
            }
            Err(trouble) => trouble,
        };
        told.fails(&problem);
        let wait = again.map(|asked| asked.max(jittered(pause)).min(LONGEST));
        match wait {
            Some(wait) if begun.elapsed() + wait < patience => tokio::time::sleep(wait).await,
            _ => return Err(problem),
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Any part of a pause, so that a collector that comes back is not met by all at once. Nothing is taken off what it
/// asks for itself.
fn jittered(pause: Duration) -> Duration {
    let mut word = [0; 4];
    // Without random numbers it is the whole of it.
    let share = match aws_lc_rs::rand::fill(&mut word) {
        Ok(()) => f64::from(u32::from_ne_bytes(word)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    };
    pause.mul_f64(share)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_spread_over_the_whole_of_what_they_may_be() {
        let pause = Duration::from_secs(8);
        let mut quarters = [0; 4];
        for _ in 0..400 {
            let wait = jittered(pause);
            assert!(wait <= pause, "{wait:?}");
            quarters[(wait.as_secs() / 2).min(3) as usize] += 1;
        }
        // A hundred each, and six standard deviations off at most.
        assert!(quarters.iter().all(|count| (48..=152).contains(count)), "{quarters:?}");
    }
}
