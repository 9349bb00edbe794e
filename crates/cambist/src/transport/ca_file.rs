//! CA files that may change while a process runs, and the clients that trust what is in them.
//!
//! They are looked at beside the requests, and a change is taken up once it has settled. A token
//! proxy's file is another matter: its contract has it looked at before each request.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use tower::Service;
use tower::util::BoxCloneSyncService;
use zeroize::Zeroizing;

use super::Transport;
use super::error::TransportError;
use super::https::{Https, HttpsOptions, TransportBuildError};
use super::roots::{CaBundle, CaError, MAX_PEM};
use crate::event::FileKind;
use crate::files::{FileFault, Watched, WatchedFile, read_in_time};
use crate::observer::Observer;

/// The CA files of a process, each with the clients that trust it.
#[derive(Default)]
pub(crate) struct CaFiles(Vec<CaFile>);

struct CaFile {
    name: &'static str,
    path: PathBuf,
    /// What the clients' trust was made of.
    pem: Zeroizing<Vec<u8>>,
    clients: Vec<Client>,
}

/// A client, and what it is made of beside the file.
struct Client {
    options: HttpsOptions,
    place: Place,
}

/// Where a client is, and another may be put. A request ends with the client that it began with, and
/// the connections of an old one with the last of its requests.
#[derive(Clone)]
struct Place(Arc<ArcSwap<Https>>);

impl CaFiles {
    /// A transport that trusts what is in this file, too, now and when it has changed. It blocks, for
    /// 2 seconds at most.
    ///
    /// # Errors
    /// If the file cannot be read, or no client can be made of it.
    pub(crate) fn transport(
        &mut self,
        name: &'static str,
        path: &Path,
        options: HttpsOptions,
    ) -> Result<Transport, String> {
        let known = self.0.iter().position(|file| file.name == name && file.path == path);
        let mut file = match known {
            Some(at) => self.0.swap_remove(at),
            None => CaFile::read(name, path)?,
        };
        let made = file.transport(options);
        self.0.push(file);
        made
    }

    /// These files, to be looked at.
    pub(crate) fn watched(self, observer: &Arc<dyn Observer>) -> Vec<Watched> {
        self.0.into_iter().map(|file| file.watched(observer.clone())).collect()
    }
}

impl CaFile {
    fn read(name: &'static str, path: &Path) -> Result<Self, String> {
        let pem = read_in_time(path, MAX_PEM).map_err(|fault| unreadable(path, fault))?;
        Ok(Self { name, path: path.to_owned(), pem, clients: Vec::new() })
    }

    fn transport(&mut self, options: HttpsOptions) -> Result<Transport, String> {
        let client = build(&options, &bundle(&self.path, &self.pem)?);
        let client = client.map_err(|error| error.to_string())?;
        let place = Place(Arc::new(ArcSwap::from_pointee(client)));
        self.clients.push(Client { options, place: place.clone() });
        Ok(Transport { service: BoxCloneSyncService::new(place) })
    }

    fn watched(self, observer: Arc<dyn Observer>) -> Watched {
        let Self { name, path, pem, clients } = self;
        let file = WatchedFile::new(FileKind::Ca, name, &path, MAX_PEM);
        let at = path.clone();
        Watched::new(file, Some(&pem), observer, move |read| {
            let pem = read.map_err(|fault| unreadable(&at, fault))?;
            let bundle = bundle(&at, pem)?;
            let new = clients.iter().map(|client| build(&client.options, &bundle));
            let new: Result<Vec<_>, _> = new.collect();
            // All of them or none.
            for (client, new) in clients.iter().zip(new.map_err(|error| error.to_string())?) {
                client.place.0.store(Arc::new(new));
            }
            Ok(())
        })
    }
}

fn build(options: &HttpsOptions, bundle: &CaBundle) -> Result<Https, TransportBuildError> {
    let mut options = options.clone();
    options.roots.push(bundle.clone());
    Https::new(options)
}

fn bundle(path: &Path, pem: &[u8]) -> Result<CaBundle, String> {
    CaBundle::parse(path.display().to_string(), pem).map_err(|error| error.to_string())
}

fn unreadable(path: &Path, fault: FileFault) -> String {
    CaError::File { path: path.to_owned(), fault }.to_string()
}

impl Service<Request<Bytes>> for Place {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        // Its future holds the client that it goes by.
        Https::clone(&self.0.load()).call(request)
    }
}
