//! The exchange: an admitted assertion out, an Azure access token in.
//!
//! One call is one POST (OAuth 2.0 client credentials with a JWT assertion, RFC 7523 section 2.2).
//! Whether and when to try again is not decided here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cambist_core::admission::Assertion;
use cambist_core::clock::Clock;
use cambist_core::scope::Scope;
use cambist_core::secret::Secret;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Uri};
use zeroize::Zeroizing;

use crate::clock::Heard;
use crate::principal::Principal;
use crate::receipt::{Moment, Purpose, Receipt, RequestId, Told};
use crate::transport::{AnswerLimits, TokenProxyOptions, Transport};

mod aadsts;
mod access_token;
mod asked;
mod authority;
mod cloud;
mod error;
mod gate;
mod presented;
mod redact;
mod reply;
mod retry_after;
mod signers;
pub(crate) mod tenant;

#[cfg(feature = "azure")]
pub(crate) use access_token::is_bearer;
pub use access_token::{AccessToken, Uses};
use asked::Asked;
pub use authority::{Authority, AuthorityError};
pub use cloud::Cloud;
pub(crate) use cloud::is_exchangeable;
use error::Answerer;
pub use error::{EntraError, ExchangeError, ReplyError, ReplyFault};
pub use gate::{Gate, Passage};
pub(crate) use presented::Presented;
use signers::Signers;
pub use tenant::{TenantId, TenantIdError};

/// Entra's replies have a few kilobytes, with a token of many groups some more.
const LIMITS: AnswerLimits =
    AnswerLimits { max_body: 256 * 1024, timeout: Duration::from_secs(30) };

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// One identity's way to its tokens: where to ask, and as whom.
pub struct Exchange {
    transport: Transport,
    authority: Authority,
    tenant_id: TenantId,
    principal: Principal,
    url: Uri,
    answers: Answerer,
    clock: Arc<dyn Clock>,
    gate: Gate,
    name: Arc<str>,
    heard: Heard,
    signers: Signers,
}

impl Exchange {
    /// An exchange with an authority for one application (or managed identity) of one tenant.
    pub fn new(
        transport: Transport,
        authority: Authority,
        tenant_id: TenantId,
        client_id: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let url = authority.token_url(&tenant_id);
        let answers = Answerer::Authority;
        let (gate, heard, signers) = (Gate::default(), Heard::default(), Signers::default());
        let principal = Principal::new(tenant_id.clone(), client_id);
        // Neither tenants nor client ids tell upper case from lower case.
        let name = principal.to_string().to_ascii_lowercase().into();
        Self {
            transport,
            authority,
            tenant_id,
            principal,
            url,
            answers,
            clock,
            gate,
            name,
            heard,
            signers,
        }
    }

    /// The way to what stands for this agent identity: the same place, asked as the agent's blueprint. The
    /// tenant is the agent's, also if the blueprint is registered in another
    /// (<https://learn.microsoft.com/entra/agent-id/agent-autonomous-app-oauth-flow>).
    pub(crate) fn of_blueprint(&self, client_id: &str) -> Self {
        let (transport, authority) = (self.transport.clone(), self.authority.clone());
        let (tenant_id, clock) = (self.tenant_id.clone(), self.clock.clone());
        Self {
            principal: Principal::blueprint(tenant_id.clone(), client_id, self.client_id()),
            url: self.url.clone(),
            answers: self.answers,
            gate: self.gate.clone(),
            heard: self.heard.clone(),
            ..Self::new(transport, authority, tenant_id, client_id, clock)
        }
    }

    /// The same through a cluster's token proxy, over a transport that leads there.
    #[must_use]
    pub fn through(self, proxy: &TokenProxyOptions) -> Self {
        Self { url: proxy.url(&self.url), answers: Answerer::TokenProxy, ..self }
    }

    /// The same through a gate that others share.
    #[must_use]
    pub fn sharing(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// Tenant and client id: what tells this identity from the others, at the gate and when Entra asks
    /// to be left alone.
    pub(crate) fn identity(&self) -> &Arc<str> {
        &self.name
    }

    /// Waits for a place among the exchanges that run at once. It is for whoever reads a token for
    /// [`exchange`](Self::exchange) to wait first, or the token grows old meanwhile.
    pub async fn turn(&self) -> Passage {
        self.gate.enter(self.name.clone()).await
    }

    /// The same, telling there what the answers say the time is.
    pub(crate) fn telling(self, heard: Heard) -> Self {
        Self { heard, ..self }
    }

    /// Whom is asked.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where the application is registered.
    pub fn tenant_id(&self) -> &TenantId {
        &self.tenant_id
    }

    /// The application or managed identity.
    pub fn client_id(&self) -> &str {
        self.principal.client_id()
    }

    /// Both, as events tell of them.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Asks for a token, once.
    ///
    /// The token's validity counts from the moment of sending, on the clock that runs through
    /// suspend.
    ///
    /// What it gives cannot be exchanged again; Entra takes no token that came of a federated credential
    /// for another one (AADSTS700231).
    ///
    /// ```compile_fail
    /// use cambist::core::scope::Scope;
    /// use cambist::{AccessToken, exchange::Exchange};
    ///
    /// async fn chain(exchange: &Exchange, middle: &AccessToken, scope: &Scope) {
    ///     let _ = exchange.exchange(middle, scope).await; // a token is no assertion
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ExchangeError`]: no reply, a refusal, or a reply that cannot be used.
    pub async fn exchange(
        &self,
        assertion: &Assertion,
        scope: &Scope,
    ) -> Result<AccessToken, ExchangeError> {
        self.exchange_for(Presented::Projected(assertion), Purpose::new(scope)).await
    }

    /// The same by an id that is known already, with whatever may be shown.
    pub(crate) async fn exchange_for(
        &self,
        presented: Presented<'_>,
        purpose: Purpose<'_>,
    ) -> Result<AccessToken, ExchangeError> {
        self.ask(presented, purpose).await.map_err(|error| error.by(self.answers))
    }

    async fn ask(
        &self,
        presented: Presented<'_>,
        purpose: Purpose<'_>,
    ) -> Result<AccessToken, ExchangeError> {
        let Purpose { scope, request_id } = purpose;
        let request = self.request(presented, scope, request_id);
        let now = || Moment { wall: self.clock.wall(), boot: self.clock.boot() };
        let sent = now();
        let signer_known_for = self.signers.known_for(presented.kid(), sent.boot);
        let response = self.transport.send(request, LIMITS).await;
        let response = response.map_err(|error| ExchangeError::Transport { error, request_id })?;
        let received = now();
        let (principal, tenant) = (&self.principal, &self.tenant_id);
        let asked = Asked { presented, signer_known_for, scope, principal, tenant, request_id };
        let date = retry_after::date(response.headers());
        if let Some(date) = date {
            self.heard.hear(date, &*self.clock);
        }
        if response.status() != http::StatusCode::OK {
            let now = date.unwrap_or(received.wall);
            return Err(reply::refused(&response, &asked, now));
        }
        let (granted, ids) = reply::granted(&response, &asked)?;
        let reply::Granted { secret, valid_for, refresh_in } = granted;
        let standing = presented.standing();
        let receipt = Receipt {
            ids,
            standing,
            verdict: None,
            assertion: presented.assertion_id(),
            token: Told::of(&secret),
            asked: sent,
            answered: received,
        };
        Ok(AccessToken::new(secret, valid_for, refresh_in, receipt))
    }

    fn request(
        &self,
        presented: Presented<'_>,
        scope: &Scope,
        request_id: RequestId,
    ) -> Request<Bytes> {
        let body = Bytes::from_owner(form(presented.secret(), &self.principal, scope));
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        let form = http::HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        let id = http::HeaderValue::try_from(request_id.to_string());
        let id = id.expect("hexadecimal digits and hyphens");
        request.headers_mut().insert("client-request-id", id);
        // Entra repeats the id in its answer.
        let yes = http::HeaderValue::from_static("true");
        request.headers_mut().insert("return-client-request-id", yes);
        request
    }
}

/// The body, in memory that is wiped when the transport lets go of it. It never grows, since that
/// would leave a copy of the assertion behind.
fn form(assertion: &Secret, principal: &Principal, scope: &Scope) -> Zeroizing<Vec<u8>> {
    let scope = scope.to_string();
    let pairs = [
        ("client_assertion", Some(assertion.expose())),
        ("client_assertion_type", Some(ASSERTION_TYPE)),
        ("client_id", Some(principal.client_id())),
        // Whom a blueprint is to give something for; there must be none that is empty.
        ("fmi_path", principal.agent()),
        ("grant_type", Some("client_credentials")),
        ("scope", Some(&scope)),
    ];
    let pairs = || pairs.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    // Each byte of a value becomes three at most; names, `=` and `&` stay as they are.
    let room = pairs().map(|(name, value)| name.len() + 2 + 3 * value.len()).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    for (name, value) in pairs() {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        for piece in form_urlencoded::byte_serialize(value.as_bytes()) {
            body.extend_from_slice(piece.as_bytes());
        }
    }
    body
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Exchange");
        out.field("url", &self.url).field("client_id", &self.client_id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
