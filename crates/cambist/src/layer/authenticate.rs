//! A verified caller on requests that come in.

use std::task::{Context as Poller, Poll};

use cambist_core::admission::Caller;
use cambist_core::token::ProjectedToken;
use cambist_core::verify::Verifier;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, Service};

use crate::context::Context;
use crate::issuer_keys::{COOLDOWN, IssuerKeys};

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
        self.verifier.screen_at(&token, now).map_err(|e| Denied::new(e.as_str()))?;
        let keys = self.keys.with(&self.verifier.issuer, token.kid()).await;
        let keys = keys.map_err(|_| Denied::UNCHECKED)?;
        let verified = self.verifier.verify_at(&token, &keys, now);
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
}

impl Denied {
    const UNCHECKED: Self = Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: "no_keys" };

    const fn new(reason: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, reason }
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
            headers.insert(RETRY_AFTER, HeaderValue::from(COOLDOWN.as_secs()));
        }
        response
    }
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
