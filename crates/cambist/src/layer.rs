//! Tower layers: a fresh bearer on requests that go out, a verified caller on requests that come in.

use std::task::{Context as Poller, Poll};
use std::time::Duration;

use cambist_core::admission::Caller;
use cambist_core::scope::Scope;
use cambist_core::token::ProjectedToken;
use cambist_core::verify::{Verifier, VerifyError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{BoxError, Layer, Service};

use crate::context::Context;
use crate::credential::Credential;
use crate::issuer_keys::IssuerKeys;

/// Puts `Authorization: Bearer` with a fresh Azure token on every request, marked sensitive so that
/// it stays out of logs and HTTP/2 tables.
///
/// Whatever authorization the request had is replaced. Use it on clients of one resource only: the
/// token goes wherever the request goes.
#[derive(Clone, Debug)]
pub struct BearerLayer {
    credential: Credential,
    scope: Scope,
}

impl BearerLayer {
    /// Tokens of this identity for this scope.
    pub fn new(credential: Credential, scope: Scope) -> Self {
        Self { credential, scope }
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Bearer<S> {
        Bearer { inner, layer: self.clone() }
    }
}

/// What [`BearerLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct Bearer<S> {
    inner: S,
    layer: BearerLayer,
}

impl<S, B> Service<Request<B>> for Bearer<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { inner, layer: BearerLayer { credential, scope } } = self;
        // The clone is not ready yet; what was polled ready is what must be called.
        let clone = inner.clone();
        let mut inner = std::mem::replace(inner, clone);
        let (credential, scope) = (credential.clone(), scope.clone());
        async move {
            let token = match credential.peek(scope.resource()) {
                Some(token) => token,
                None => credential.token(&scope).await?,
            };
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.secret().expose()))?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
            inner.call(request).await.map_err(Into::into)
        }
        .boxed()
    }
}

/// Lets through only requests whose bearer is a verified service-account token, and tells the
/// handler whose: a [`Caller`] in the request's extensions.
///
/// The token must come from the issuer and be addressed to the audience of the [`Verifier`], never
/// to Entra's: a token that callers show around must be good for nothing else. The `default`
/// account is refused unless the verifier allows it by name. Refusals carry the reason in
/// `x-cambist-reason`; a caller that cannot be checked is refused with 503, never let in.
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    verifier: Verifier,
    keys: IssuerKeys,
    context: Context,
}

impl AuthenticateLayer {
    /// Callers are held against this policy, by these keys.
    pub fn new(verifier: Verifier, keys: IssuerKeys, context: Context) -> Self {
        Self { verifier, keys, context }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        let token = bearer(headers)?;
        let token = ProjectedToken::parse(token).map_err(|_| Denied::new("token_malformed"))?;
        let now = self.context.clock.wall();
        // Nothing is fetched for a token whose own claims already rule it out.
        let screened = self.verifier.screen_at(&token, now).and(self.verifier.issuer_of(&token));
        let issuer = screened.map_err(|e| Denied::new(e.as_str()))?;
        let keys = self.keys.with(&issuer, token.kid()).await;
        let keys = keys.map_err(|_| Denied::unchecked(self.keys.next_look_in(&issuer)))?;
        let mut verified = self.verifier.verify_at(&token, &keys, now);
        if verified.as_ref().is_err_and(VerifyError::may_be_the_keys)
            && let Some(keys) = self.keys.others(&issuer, &keys).await
        {
            verified = self.verifier.verify_at(&token, &keys, now);
        }
        verified.map(Caller::from).map_err(|e| Denied::new(e.as_str()))
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err(Denied::new("bearer_missing"));
    };
    let value = value.to_str().map_err(|_| Denied::new("bearer_missing"))?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(token),
        _ => Err(Denied::new("bearer_missing")),
    }
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Denied {
    status: StatusCode,
    reason: &'static str,
    /// When to come back, for whom that may help.
    retry_after: Duration,
}

impl Denied {
    const fn new(reason: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, reason, retry_after: Duration::ZERO }
    }

    const fn unchecked(retry_after: Duration) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: "no_keys", retry_after }
    }

    fn response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert("x-cambist-reason", HeaderValue::from_static(self.reason));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 section 3.
            let challenge = match self.reason {
                "bearer_missing" => "Bearer",
                _ => "Bearer error=\"invalid_token\"",
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        } else {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_secs(self.retry_after)));
        }
        response
    }
}

/// Not sooner, and not at once.
fn whole_secs(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { inner, layer: self.clone() }
    }
}

/// What [`AuthenticateLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    layer: AuthenticateLayer,
}

impl<S, B, R> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        async move {
            // Nobody but this layer says who the caller is.
            request.extensions_mut().remove::<Caller>();
            let headers = std::mem::take(request.headers_mut());
            let caller = layer.caller(&headers).await;
            *request.headers_mut() = headers;
            match caller {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(denied) => Ok(denied.response()),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
