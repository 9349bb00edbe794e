//! A fresh bearer on requests that go out.

use std::task::{Context as Poller, Poll};

use cambist_core::scope::Scope;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};
use tower::{BoxError, Layer, Service};

use crate::credential::Credential;

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
