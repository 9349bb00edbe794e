//! Whether a server answers at all, and what its clock says.

use std::path::Path;
use std::time::Duration;

use cambist::transport::{CaBundle, HttpsOptions, ProxyOptions, Transport, TransportFault};
use cambist_core::clock::Clock;
use http::Uri;

use super::{shown, within};
use crate::collect::http::{Document, HttpError, get};
use crate::collect::look::Reply;
use crate::doctor::facts::{Answered, Clocks, Peer, Unreached};

/// How a server is reached.
pub(super) fn options(
    ca_file: Option<&Path>,
    proxy: Option<&ProxyOptions>,
) -> Result<HttpsOptions, String> {
    let mut options = HttpsOptions::default();
    options.proxy = proxy.cloned();
    if let Some(path) = ca_file {
        options.roots.push(CaBundle::read(path).map_err(|error| error.to_string())?);
    }
    Ok(options)
}

/// A GET: the peer, and the reply if one came.
pub(super) async fn ask(
    transport: &Transport,
    url: &str,
    patience: Duration,
    proxy: Option<&ProxyOptions>,
    clock: &dyn Clock,
) -> (Peer, Option<Reply>) {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::authority).map(ToString::to_string).unwrap_or_default();
    let reply = within(patience, get(transport, url, None, Document::DISCOVERY)).await;
    match reply {
        Some(Ok(reply)) => {
            let here = clock.wall();
            let clocks = reply.server_time().map(|there| Clocks { here, there });
            let answered = Answered { clocks };
            (Peer { host, answer: Ok(answered) }, Some(reply))
        }
        Some(Err(error)) => {
            let fault = match &error {
                HttpError::Transport(error) => Some(error.fault().clone()),
                HttpError::Url(_) => None,
            };
            let shown = match (&fault, &uri) {
                (Some(TransportFault::TlsUntrusted | TransportFault::Tls), Some(uri)) => {
                    within(patience, shown::look(uri, proxy)).await.flatten()
                }
                _ => None,
            };
            let words = error.to_string();
            (Peer { host, answer: Err(Unreached { fault, words, shown }) }, None)
        }
        None => {
            let words = format!("{host} did not answer within {patience:?}");
            (Peer { host, answer: Err(Unreached { fault: None, words, shown: None }) }, None)
        }
    }
}
