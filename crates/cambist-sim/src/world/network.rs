//! The network between the servers: which of them a request reaches, and what becomes of it there.

use std::time::Duration;

use cambist_core::clock::{Clock, UnixTime};
use cambist_core::headers::write_date;
use http::{Method, StatusCode, Uri, header};
use tower::{BoxError, Service};

use super::Sim;
use super::token_proxy::NO_SUCH_ISSUER;
use crate::clock::Machine;
use crate::entra::request::Told;
use crate::fault::{By, Target};
use crate::journal::Entry;
use crate::reply::{Request, Response, response, set};

/// No request to the issuer or to Entra is larger than this; an assertion of 16 KiB fits well.
const MAX_BODY: usize = 64 * 1024;
/// kube-apiserver's own limit.
const MAX_API_BODY: usize = 3 * 1024 * 1024;

/// Which server a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Issuer,
    Entra,
    TokenProxy,
    /// The API server of this number.
    Api(usize),
}

impl Side {
    /// How many bytes a request to it may have.
    pub(crate) const fn max_body(self) -> usize {
        match self {
            Self::Issuer | Self::Entra | Self::TokenProxy => MAX_BODY,
            Self::Api(_) => MAX_API_BODY,
        }
    }

    /// The machine that answers there.
    const fn machine(self) -> Machine {
        match self {
            Self::Issuer => Machine::Issuer,
            Self::Entra => Machine::Entra,
            Self::TokenProxy | Self::Api(_) => Machine::Api,
        }
    }
}

impl Target {
    /// The server that has it.
    const fn side(self) -> Side {
        match self {
            Self::Entra => Side::Entra,
            Self::TokenProxy => Side::TokenProxy,
            Self::Discovery | Self::Jwks => Side::Issuer,
            Self::Api => Side::Api(0),
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Response),
    /// `Content-Length` tells the full length, the body stops before it.
    Cut(Response),
    Reset,
}

impl Sim {
    pub(crate) fn side(&self, uri: &Uri) -> Option<Side> {
        let asked = uri.authority()?;
        let is = |at: &Uri| {
            at.authority().is_some_and(|own| {
                own.host().eq_ignore_ascii_case(asked.host())
                    && own.port_u16().unwrap_or(443) == asked.port_u16().unwrap_or(443)
            })
        };
        if uri.scheme_str() != Some("https") {
            None
        } else if is(&self.0.authority_at) && self.tenant_in(uri.path()).is_some() {
            // One host may be both servers; the path tells them apart.
            Some(Side::Entra)
        } else if is(&self.0.issuer_at) {
            Some(Side::Issuer)
        } else {
            let others = [
                (Some(&self.0.authority_at), Side::Entra),
                (self.0.token_proxy_at.as_ref(), Side::TokenProxy),
            ];
            let apis = self.0.api_at.iter().enumerate();
            let apis = apis.map(|(number, at)| (Some(at), Side::Api(number)));
            let mut others = others.into_iter().chain(apis);
            others.find_map(|(at, side)| at.is_some_and(is).then_some(side))
        }
    }

    pub(super) fn tenant_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let tenant = path.strip_prefix('/')?.strip_suffix("/oauth2/v2.0/token")?;
        (!tenant.is_empty() && !tenant.contains('/')).then_some(tenant)
    }

    fn target(&self, side: Side, path: &str) -> Option<Target> {
        let base = self.0.issuer_at.path();
        let below = |rest: &str| {
            path.strip_prefix(base.strip_suffix('/').unwrap_or(base)).is_some_and(|it| it == rest)
        };
        match side {
            Side::Entra => self.tenant_in(path).map(|_| Target::Entra),
            Side::TokenProxy => self.proxied_tenant_in(path).map(|_| Target::TokenProxy),
            Side::Issuer if below("/.well-known/openid-configuration") => Some(Target::Discovery),
            Side::Issuer if below("/openid/v1/jwks") => Some(Target::Jwks),
            Side::Issuer => None,
            Side::Api(_) => Some(Target::Api),
        }
    }

    /// What becomes of a request that reached `side`; `fetch` is how Entra reaches the issuer.
    pub(crate) async fn answer<F>(
        &self,
        side: Side,
        by: By,
        mut request: Request,
        fetch: F,
    ) -> Answer
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let target = self.target(side, request.uri().path());
        let path = request.uri().path();
        let tenant = self.tenant_in(path).or_else(|| self.proxied_tenant_in(path));
        let tells = target.is_some_and(Target::grants_tokens);
        let told = if tells { Told::by(&request) } else { Told::default() };
        let number = self.journal().begin(Entry {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            target,
            by,
            time: self.clock().wall(),
            tenant: tenant.filter(|_| tells).map(str::to_owned),
            client: told.client,
            scope: told.scope,
            assertion: told.assertion,
            client_request_id: told.request_id,
            entra_request_id: None,
            status: None,
        });
        // Over a socket the address does not say which server it came to.
        request.extensions_mut().insert(side);
        let mut answer = match target {
            Some(target) => self.meet(target, by, request, fetch).await,
            None => Answer::Whole(plain(StatusCode::NOT_FOUND)),
        };
        if let Answer::Whole(response) | Answer::Cut(response) = &mut answer {
            let now = write_date(self.clock_of(side.machine()).wall());
            if !response.headers().contains_key(header::DATE) {
                set(response.headers_mut(), header::DATE, &now);
            }
            self.journal().finish(number, response);
        }
        answer
    }

    async fn meet<F>(&self, target: Target, by: By, request: Request, fetch: F) -> Answer
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let chosen = self.faults().choose(target, by);
        if let Some(delay) = chosen.delay {
            tokio::time::sleep(delay).await;
        }
        let mut answer = match chosen.answer {
            Some(fault) => fault.strike(self, target, &request, fetch).await,
            None => Answer::Whole(self.honest(target, &request, fetch).await),
        };
        if let (Some(skew), Answer::Whole(response) | Answer::Cut(response)) =
            (chosen.date_skew, &mut answer)
        {
            let now = self.clock_of(target.side().machine()).wall();
            let now = UnixTime::from_secs(now.as_secs().saturating_add(skew));
            set(response.headers_mut(), header::DATE, &write_date(now));
        }
        answer
    }

    /// The answer without any fault.
    pub(crate) async fn honest<F>(&self, target: Target, request: &Request, fetch: F) -> Response
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        if request.body().len() > target.side().max_body() {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        match target {
            Target::Entra if self.trusts_the_token_proxy_alone() => {
                self.entra().refuse_with(request, NO_SUCH_ISSUER)
            }
            Target::TokenProxy => self.pass_on(request, fetch).await,
            Target::Entra => {
                let tenant = self.tenant_in(request.uri().path()).unwrap_or_default();
                self.entra().token(tenant, request, fetch).await
            }
            Target::Api => {
                let number = match request.extensions().get() {
                    Some(Side::Api(number)) => *number,
                    _ => 0,
                };
                self.apis()[number].answer(request)
            }
            _ if !get => plain(StatusCode::METHOD_NOT_ALLOWED),
            Target::Discovery => self.issuer().serve_discovery(request.headers()),
            Target::Jwks => self.issuer().serve_jwks(Duration::ZERO, request.headers()),
        }
    }
}

/// A status and its own words.
pub(crate) fn plain(status: StatusCode) -> Response {
    let words = format!("{status}\n");
    response(status, &[("content-type", "text/plain; charset=utf-8")], words)
}
