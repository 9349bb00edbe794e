//! An app as its Azure SDK makes it: it knows two variables and speaks plain HTTP on loopback.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::request::Builder;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::Instant;

/// The app, and how often it asked.
pub(crate) struct App {
    /// `IDENTITY_ENDPOINT`.
    pub(crate) endpoint: String,
    /// `IDENTITY_HEADER`.
    pub(crate) header: String,
    pub(crate) asked: u32,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl App {
    pub(crate) fn new(endpoint: String, header: String) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { endpoint, header, asked: 0, client }
    }

    /// Asks for a resource's token, as `ManagedIdentityCredential` does.
    pub(crate) async fn token(&mut self, resource: &str) -> anyhow::Result<Answer> {
        let request = self.request(resource).header("x-identity-header", &self.header);
        self.send(request).await
    }

    /// The same request, but for the header secret.
    pub(crate) fn request(&self, resource: &str) -> Builder {
        Request::get(format!("{}?api-version=2019-08-01&resource={resource}", self.endpoint))
    }

    pub(crate) async fn send(&mut self, request: Builder) -> anyhow::Result<Answer> {
        self.asked += 1;
        let began = Instant::now();
        let exchange = async {
            let response = self.client.request(request.body(Empty::new())?).await?;
            let (head, body) = response.into_parts();
            anyhow::Ok((head, body.collect().await?.to_bytes()))
        };
        let within = tokio::time::timeout(Duration::from_secs(20), exchange);
        let (head, body) = within.await.context("the sidecar did not answer within 20 s")??;
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: head.status,
            reason: text("x-cambist-reason").unwrap_or_default().to_owned(),
            retry_after: text(RETRY_AFTER.as_str())
                .and_then(|secs| secs.parse().ok())
                .map(Duration::from_secs),
            body: serde_json::from_slice(&body).context("the sidecar's answer is not JSON")?,
            took: began.elapsed(),
        })
    }
}

/// What the sidecar answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) took: Duration,
    body: Value,
}

impl Answer {
    /// What tells one token from another without showing it; `None` if there is no token.
    pub(crate) fn token(&self) -> Option<String> {
        let token = self.field("access_token")?;
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        let prefix = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}"));
        Some(prefix.collect())
    }

    /// For how long the token is still valid.
    pub(crate) fn valid_for(&self) -> Option<Duration> {
        self.field("expires_in")?.parse().ok().map(Duration::from_secs)
    }

    /// What it says about a refusal.
    pub(crate) fn message(&self) -> &str {
        self.field("message").unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }
}

impl fmt::Display for Answer {
    /// In a line. Never the token: only its length and a part of its hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:.1?}", self.status.as_u16(), self.took)?;
        match (self.token(), self.valid_for(), self.field("access_token")) {
            (Some(hash), Some(valid_for), Some(token)) => write!(
                f,
                ": token {hash} ({} characters), valid for {} s",
                token.len(),
                valid_for.as_secs()
            ),
            _ => write!(f, ": {}", self.reason),
        }
    }
}
