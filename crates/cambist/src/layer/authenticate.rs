//! A verified caller on requests that come in.

use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use cambist_core::admission::Caller;
use cambist_core::subject::ServiceAccount;
use cambist_core::token::ProjectedToken;
use cambist_core::verify::{Verifier, VerifyError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, Service};

use super::callers::{Allowed, Callers, CallersError};
use crate::context::Context;
use crate::event::{CallerDenied, Event};
use crate::issuer_keys::{IssuerKeys, KeysError, Waiting};
use crate::receipt::RequestId;
use crate::transport::HttpsOptions;

/// Lets through only requests whose bearer is a verified service-account token of somebody who may
/// come in, and tells the handler whose: a [`Caller`] in the request's extensions.
///
/// The token must come from one issuer and be addressed to one audience, never to Entra's: a token
/// that callers show around must be good for nothing else. Refusals carry the reason in
/// `x-cambist-reason`: 401 for a token that is no good, 403 `caller_not_allowed` for a good one of
/// somebody who was not allowed, 503 for what cannot be checked for now, which is never let in.
///
/// ```no_run
/// # async fn example<S>(service: S) -> Result<(), Box<dyn std::error::Error>> {
/// use cambist::layer::AuthenticateLayer;
/// use tower::Layer as _;
///
/// // Callers mount a token with `audience: "https://orders.shop"` and send it as their bearer.
/// let issuer = "https://issuer.example/cluster-1/";
/// let layer = AuthenticateLayer::for_issuer(issuer, "https://orders.shop")?
///     .allow(["system:serviceaccount:shop:checkout".parse()?])
///     .allow_namespace("reports");
/// let service = layer.layer(service);
/// # Ok(()) }
/// ```
///
/// It takes nobody's word for the issuer: an [`OwnTokenVerifier`], which may, is no [`Verifier`].
///
/// ```compile_fail
/// use cambist::core::verify::OwnTokenVerifier;
/// use cambist::{Context, issuer_keys::IssuerKeys, layer::AuthenticateLayer};
///
/// fn misuse(own: OwnTokenVerifier, keys: IssuerKeys, context: Context) {
///     drop(AuthenticateLayer::with_keys(own, keys, context));
/// }
/// ```
///
/// [`OwnTokenVerifier`]: cambist_core::verify::OwnTokenVerifier
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    verifier: Arc<Verifier>,
    allowed: Arc<Allowed>,
    keys: IssuerKeys,
    pub(super) context: Context,
}

impl AuthenticateLayer {
    /// Callers with tokens of this public issuer for this audience: its keys are fetched over https,
    /// and the platform's certificate authorities are trusted. Say next who of them may come in.
    ///
    /// Nobody is told why callers are denied, nor that keys cannot be had: for that, and for an issuer with
    /// a certificate of one's own, see [`for_issuer_over`](Self::for_issuer_over).
    ///
    /// # Errors
    /// If the issuer is no https URL, or the audience is none, or one of Entra's.
    pub fn for_issuer(url: &str, audience: &str) -> Result<Callers, CallersError> {
        // Any text that no other process has.
        let context = Context::system(&RequestId::random().to_string());
        Self::for_issuer_over(url, audience, HttpsOptions::default(), context)
    }

    /// As [`for_issuer`](Self::for_issuer), over connections of one's own making: with more certificate
    /// authorities, or a proxy. The context's observer is told of each look for keys
    /// ([`Event::KeysFetched`]) and of each caller that is not let in ([`Event::CallerDenied`]).
    ///
    /// ```no_run
    /// # fn example(observer: std::sync::Arc<dyn cambist::Observer>) -> Result<(), Box<dyn std::error::Error>> {
    /// use cambist::Context;
    /// use cambist::layer::AuthenticateLayer;
    /// use cambist::transport::{CaBundle, HttpsOptions};
    ///
    /// let mut https = HttpsOptions::default();
    /// https.roots.push(CaBundle::read("/etc/issuer/ca.pem".as_ref())?);
    /// let mut context = Context::system("orders-7d9f");
    /// context.observer = observer;
    /// let issuer = "https://issuer.example/cluster-1/";
    /// let callers =
    ///     AuthenticateLayer::for_issuer_over(issuer, "https://orders.shop", https, context)?;
    /// let layer = callers.allow_namespace("shop");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As `for_issuer`, and if there can be no connections.
    pub fn for_issuer_over(
        url: &str,
        audience: &str,
        https: HttpsOptions,
        context: Context,
    ) -> Result<Callers, CallersError> {
        Callers::of_issuer(url, audience, https, context)
    }

    /// Callers held against a policy of one's own, by keys from anywhere, such as the cluster's API
    /// server. Say next who of them may come in.
    ///
    /// # Errors
    /// If the audience is one of Entra's.
    pub fn with_keys(
        verifier: Verifier,
        keys: IssuerKeys,
        context: Context,
    ) -> Result<Callers, CallersError> {
        Callers::new(verifier, keys, context)
    }

    pub(super) fn of(callers: Callers) -> Self {
        let Callers { verifier, keys, context } = callers;
        Self { verifier: Arc::new(verifier), allowed: Arc::default(), keys, context }
    }

    /// Lets these accounts in as well, as [`Callers::allow`].
    #[must_use]
    pub fn allow(mut self, accounts: impl IntoIterator<Item = ServiceAccount>) -> Self {
        let verifier = Arc::make_mut(&mut self.verifier);
        Arc::make_mut(&mut self.allowed).add(accounts, verifier);
        self
    }

    /// Lets a whole namespace in as well, as [`Callers::allow_namespace`].
    #[must_use]
    pub fn allow_namespace(mut self, namespace: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.allowed).add_namespace(namespace.into());
        self
    }

    pub(super) fn allow_any(mut self) -> Self {
        Arc::make_mut(&mut self.allowed).add_all();
        self
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        let token = bearer(headers)?;
        let token = ProjectedToken::parse(token).map_err(|_| Denied::new("token_malformed"))?;
        let now = self.context.clock.wall();
        // Nothing is fetched for a token whose own claims already rule it out.
        self.verifier.screen_at(&token, now).map_err(|e| Denied::new(e.as_str()))?;
        // Nor is one let in that opens something else as well: this service could use it there, and
        // so could whoever it is shown to there use it here.
        let expected = self.verifier.rules.audience.as_str();
        if token.claims().audiences.iter().any(|audience| audience != expected) {
            return Err(Denied::new("audience_mismatch"));
        }
        let (issuer, asked) = (&self.verifier.issuer, self.context.clock.boot());
        let keys = self.keys.find(issuer, token.kid(), Waiting::BRIEFLY).await;
        let keys = keys.map_err(|error| Denied::unchecked(&error))?;
        let mut verified = self.verifier.verify_at(&token, &keys, now);
        if verified.as_ref().is_err_and(VerifyError::may_be_the_keys)
            && let Some(other) = self.keys.other_than(issuer, &keys, asked, Waiting::BRIEFLY).await
        {
            verified = self.verifier.verify_at(&token, &other, now);
        }
        let caller = verified.map(Caller::from).map_err(|e| Denied::new(e.as_str()))?;
        // Last, so that nobody learns by guessing who would be let in.
        if self.allowed.permits(caller.subject()) {
            Ok(caller)
        } else {
            Err(Denied::account(caller))
        }
    }

    fn tell(&self, denied: &Denied) {
        self.context.observer.event(&Event::CallerDenied(CallerDenied {
            issuer: &self.verifier.issuer,
            account: denied.caller.as_deref().map(Caller::subject),
            reason: denied.reason,
            retry_after: denied.retry_after,
        }));
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
#[derive(Debug)]
struct Denied {
    status: StatusCode,
    reason: &'static str,
    retry_after: Option<Duration>,
    /// Who was not allowed.
    caller: Option<Box<Caller>>,
}

impl Denied {
    fn account(caller: Caller) -> Self {
        let caller = Some(Box::new(caller));
        let reason = "caller_not_allowed";
        Self { status: StatusCode::FORBIDDEN, reason, retry_after: None, caller }
    }

    const fn new(reason: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, reason, retry_after: None, caller: None }
    }

    fn unchecked(error: &KeysError) -> Self {
        let reason = if error.is_pending() { "unknown_kid" } else { "no_keys" };
        let retry_after = Some(error.retry_after());
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason, retry_after, caller: None }
    }

    fn response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert("x-cambist-reason", HeaderValue::from_static(self.reason));
        // RFC 6750 section 3.
        let challenge = match (self.status, self.reason) {
            (StatusCode::UNAUTHORIZED, "bearer_missing") => Some("Bearer"),
            (StatusCode::UNAUTHORIZED, _) => Some("Bearer error=\"invalid_token\""),
            (StatusCode::FORBIDDEN, _) => Some("Bearer error=\"insufficient_scope\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(pause) = self.retry_after {
            // Rounded up, and never 0: that would mean "at once".
            let secs = (pause + Duration::from_nanos(999_999_999)).as_secs().max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
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
                Err(denied) => {
                    layer.tell(&denied);
                    Ok(denied.response())
                }
            }
        }
        .boxed()
    }
}
