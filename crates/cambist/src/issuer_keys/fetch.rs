//! One look at one place for keys.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;
use cambist_core::headers;
use cambist_core::issuer::{DISCOVERY_ACCEPT, Discovery, IssuerUrl, MAX_DISCOVERY_BYTES};
use cambist_core::jwks::{JWKS_ACCEPT, KeySet, MAX_JWKS_BYTES};
use cambist_core::token::ProjectedToken;
use cambist_key_age as key_age;
use http::header::{
    ACCEPT, AGE, AUTHORIZATION, DATE, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED,
};
use http::{HeaderMap, Request, Response, StatusCode};

use super::error::FetchError;
use super::freshness::{FRESH, fresh_for, max_age};
use super::origin::{KeyOrigin, PATIENCE};
use crate::event::KeySource;
use crate::exchange::is_exchangeable;
use crate::files::{self, Need};
use crate::key_age::Look;
use crate::token_file::TokenFile;
use crate::transport::{AnswerLimits, Transport};

/// What a look brought.
pub(super) struct Fetched {
    /// The set, or nothing if it is the one already held.
    pub(super) keys: Option<KeySet>,
    pub(super) etag: Option<String>,
    pub(super) fresh_for: Duration,
    pub(super) date: Option<UnixTime>,
    /// The set as it came, for whoever judges the keys' age.
    body: Bytes,
    stale: Duration,
    last_modified: Option<UnixTime>,
}

impl Fetched {
    /// What this tells of the keys' age.
    pub(super) fn look(&self, source: KeySource) -> Look<'_> {
        Look {
            source: match source {
                KeySource::Public => key_age::Source::Public,
                KeySource::Api => key_age::Source::Api,
                KeySource::File => key_age::Source::File,
            },
            body: self.keys.is_some().then_some(&*self.body),
            stale: self.stale,
            last_modified: self.last_modified,
            etag: self.etag.clone(),
            server_time: self.date,
        }
    }
}

impl KeyOrigin {
    pub(super) async fn fetch(
        &self,
        issuer: &IssuerUrl,
        etag: Option<&str>,
    ) -> Result<Fetched, FetchError> {
        match self {
            Self::Public { transport, host } => {
                let url = issuer.discovery_url();
                let headers = accepting(DISCOVERY_ACCEPT);
                let document = get(transport, &url, headers, MAX_DISCOVERY_BYTES).await?;
                let document = Discovery::parse(document.body(), issuer, *host)?;
                let mut headers = accepting(JWKS_ACCEPT);
                if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
                    headers.insert(IF_NONE_MATCH, etag);
                }
                key_set(transport, document.jwks_uri(), headers).await
            }
            Self::Api { transport, server, token_file } => {
                let token = api_token(token_file).await?;
                let bearer = format!("Bearer {}", token.secret().expose());
                let mut headers = accepting(JWKS_ACCEPT);
                if let Ok(mut bearer) = HeaderValue::from_str(&bearer) {
                    bearer.set_sensitive(true);
                    headers.insert(AUTHORIZATION, bearer);
                }
                key_set(transport, &format!("{server}/openid/v1/jwks"), headers).await
            }
            Self::File(path) => {
                let (keys, body) = key_file(path).await?;
                Ok(Fetched {
                    keys: Some(keys),
                    etag: None,
                    fresh_for: *FRESH.start(),
                    date: None,
                    body,
                    stale: Duration::ZERO,
                    last_modified: None,
                })
            }
        }
    }
}

fn accepting(types: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(types))])
}

async fn get(
    transport: &Transport,
    url: &str,
    headers: HeaderMap,
    max_body: usize,
) -> Result<Response<Bytes>, FetchError> {
    let request = Request::get(url).body(Bytes::new());
    let mut request = request.map_err(|_| FetchError::Url(Foreign::new(url)))?;
    request.headers_mut().extend(headers);
    let response = transport.send(request, AnswerLimits { max_body, timeout: PATIENCE }).await?;
    match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(response),
        status => Err(FetchError::Status { url: Foreign::new(url), status }),
    }
}

async fn key_set(
    transport: &Transport,
    url: &str,
    headers: HeaderMap,
) -> Result<Fetched, FetchError> {
    let conditional = headers.contains_key(IF_NONE_MATCH);
    let response = get(transport, url, headers, MAX_JWKS_BYTES).await?;
    let keys = match response.status() {
        StatusCode::NOT_MODIFIED if conditional => None,
        StatusCode::OK => Some(usable(response.body())?),
        status => return Err(FetchError::Status { url: Foreign::new(url), status }),
    };
    let text = |name| response.headers().get(name)?.to_str().ok();
    let moment = |name| headers::date(text(name)?);
    // A cache on the way repeats an old `Date`; `Age` gives that away.
    let age = text(AGE).and_then(headers::seconds).unwrap_or_default();
    let max_age = max_age(response.headers()).unwrap_or(Duration::ZERO);
    Ok(Fetched {
        keys,
        etag: text(ETAG).map(str::to_owned),
        fresh_for: fresh_for(response.headers()),
        date: moment(DATE).filter(|_| age.is_zero()),
        stale: age.saturating_add(max_age),
        last_modified: moment(LAST_MODIFIED),
        body: response.into_body(),
    })
}

/// A set without a usable key must not replace one that has some.
fn usable(body: &[u8]) -> Result<KeySet, FetchError> {
    let keys = KeySet::parse(body)?;
    match (keys.keys(), keys.unusable().first()) {
        ([], Some(first)) => {
            Err(FetchError::NoUsableKey(keys.unusable().len(), first.reason.clone()))
        }
        _ => Ok(keys),
    }
}

/// The token in a file, unless whoever plays the API server could have an Azure token for it.
pub(crate) async fn api_token(path: &Path) -> Result<ProjectedToken, FetchError> {
    let token = TokenFile::new(path).read().await?;
    match token.claims().audiences.iter().find(|it| is_exchangeable(it)) {
        Some(audience) => Err(FetchError::Exchangeable {
            path: path.to_owned(),
            audience: Foreign::new(audience),
        }),
        None => Ok(token),
    }
}

/// The key set in a file, with its bytes.
pub(crate) async fn key_file(path: &Path) -> Result<(KeySet, Bytes), FetchError> {
    let owned = path.to_owned();
    let read = move || files::read(&owned, MAX_JWKS_BYTES);
    let body = files::off_workers(Need::Ordinary, path, read).await.flatten();
    let body = body.map_err(|fault| FetchError::File { path: path.to_owned(), fault })?;
    Ok((usable(&body)?, Bytes::copy_from_slice(&body)))
}
