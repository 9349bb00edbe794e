//! Where an issuer's documents are public: a web server of our own, as a storage account is one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::cluster::certify;

/// Documents by path. Clones are the same.
type Documents = Arc<Mutex<BTreeMap<String, String>>>;

/// A site that is up. Dropping it takes it down.
#[derive(Debug)]
pub(crate) struct Site {
    at: SocketAddr,
    documents: Documents,
    _task: JoinSet<()>,
}

impl Site {
    /// On a free port, empty; the authority that vouches for it is written to `ca_file`.
    pub(crate) async fn start(ca_file: &Path) -> Self {
        let issued = certify("cambist live: a site", &[], ca_file);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![issued.leaf], issued.key)
            .expect("the key is the certificate's");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        let at = listener.local_addr().expect("it is bound");
        let documents = Documents::default();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&documents)));
        Self { at, documents, _task: task }
    }

    /// Where it is, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.at.port())
    }

    /// Puts a document there, in the place of what was there.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.insert(path.to_owned(), text.to_owned());
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, documents: Documents) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, tls.clone(), Arc::clone(&documents)));
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, documents: Documents) {
    // Who hangs up early has only itself to tell.
    let Ok(stream) = tls.accept(stream).await else { return };
    let answer = service_fn(|request: Request<Incoming>| {
        let found = documents.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.get(request.uri().path()).cloned();
        let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let response = Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(found.unwrap_or_default())));
        std::future::ready(response)
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}
