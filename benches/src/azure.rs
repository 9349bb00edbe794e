//! `azure_identity`'s own credential, over the same simulated world.

use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, HttpClient, Request, StatusCode, Transport,
};
use azure_identity::{ClientAssertionCredential, ClientAssertionCredentialOptions};
use bytes::Bytes;
use cambist::azure::VerifiedAssertion;
use cambist_sim::{Sim, SimService};
use tower::ServiceExt as _;

/// `ClientAssertionCredential`, given cambist's verified assertion.
pub(crate) fn credential(
    sim: &Sim,
    assertion: VerifiedAssertion,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host.clone_from(&sim.settings().authority);
    let client_options = ClientOptions {
        transport: Some(Transport::new(Arc::new(Simulated(sim.service())))),
        cloud: Some(Arc::new(cloud.into())),
        ..ClientOptions::default()
    };
    let settings = sim.settings();
    let credential = ClientAssertionCredential::new(
        settings.tenant_id.clone(),
        settings.client_id.clone(),
        assertion,
        Some(ClientAssertionCredentialOptions { client_options }),
    )?;
    Ok(credential)
}

/// The least that any `TokenCredential` does: its trait wants a boxed future and a copy of the token.
#[derive(Debug)]
pub(crate) struct Copies(pub(crate) AccessToken);

#[async_trait::async_trait]
impl TokenCredential for Copies {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(self.0.clone())
    }
}

/// The simulated network, as the Azure SDK's HTTP client.
#[derive(Debug)]
struct Simulated(SimService);

#[async_trait::async_trait]
impl HttpClient for Simulated {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => Bytes::new(),
        };
        let mut simulated =
            http::Request::builder().method(request.method().as_str()).uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            simulated = simulated.header(name.as_str(), value.as_str());
        }
        let simulated = simulated.body(body).map_err(|e| Error::new(ErrorKind::Io, e))?;
        let response = self.0.clone().oneshot(simulated).await;
        let response = response.map_err(|e| Error::new(ErrorKind::Io, e))?;
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.insert(HeaderName::from(name.as_str().to_owned()), value);
        }
        let status = StatusCode::from(response.status().as_u16());
        Ok(AsyncRawResponse::from_bytes(status, headers, response.into_body()))
    }
}
