//! One request over plain HTTP, straight: no proxy, no redirect, no second try.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long connecting to the same pod may take.
const CONNECTING: Duration = Duration::from_secs(5);

/// More than any answer has.
const MOST: usize = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// There is no connection, for this reason.
    Connect(String),
    /// What answers does not speak HTTP, or not to its end.
    NotHttp(String),
    /// It took too long.
    Late,
}

/// Sends a request to a host's port, and waits so long for the whole answer.
pub(crate) async fn send(
    (host, port): (&str, u16),
    request: Request<Empty<Bytes>>,
    patience: Duration,
) -> Result<Response<Bytes>, NoAnswer> {
    let whole = async {
        let stream = timeout(CONNECTING, TcpStream::connect((host, port))).await;
        let stream = stream
            .map_err(|_| NoAnswer::Connect(format!("not within {CONNECTING:?}")))?
            .map_err(|error| NoAnswer::Connect(error.to_string()))?;
        let strange = |error: hyper::Error| NoAnswer::NotHttp(error.to_string());
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(strange)?;
        let connection = tokio::spawn(connection);
        let response = send.send_request(request).await.map_err(strange)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST).collect().await;
        let body = body.map_err(|error| NoAnswer::NotHttp(error.to_string()))?;
        connection.abort();
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    timeout(patience, whole).await.map_err(|_| NoAnswer::Late)?
}
