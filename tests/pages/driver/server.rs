//! The attacker's own server: it has the page, sends browsers on to wherever they are to go, and hears
//! what the page saw.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::attempt::{Arrives, Attempt};
use crate::place::{Place, Ports};
use crate::relay::{Log, Port, Relay};

const SERVICE_WORKER: &str = include_str!("../worker.js");

/// What a page sent without waiting arrives within this, or never.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);

/// How far the pages have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The pages of so many places have done all they can.
    Done(usize),
    /// A page does not work, and why.
    Broken(String),
}

/// A server that has an address and serves nothing yet.
#[derive(Debug)]
pub(crate) struct Bound(TcpListener);

impl Bound {
    /// On a free port of loopback.
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free"))
    }

    /// Where it is.
    pub(crate) fn at(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    /// Serves the page, which knows `secret` and finds the sidecar at the end of `relays`.
    pub(crate) fn serve(self, ports: Ports, secret: &str, log: Log, relays: Vec<Relay>) -> Server {
        let (progress, seen) = watch::channel(Progress::Done(0));
        let attempts = Mutex::default();
        let secret = secret.to_owned();
        let state = Arc::new(State { ports, secret, log, relays, attempts, progress });
        let mut task = JoinSet::new();
        task.spawn(accept(self.0, Arc::clone(&state)));
        Server { state, progress: seen, _task: task }
    }
}

/// A server that serves.
#[derive(Debug)]
pub(crate) struct Server {
    state: Arc<State>,
    progress: watch::Receiver<Progress>,
    _task: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    ports: Ports,
    secret: String,
    log: Log,
    relays: Vec<Relay>,
    attempts: Mutex<Vec<Attempt>>,
    progress: watch::Sender<Progress>,
}

impl Server {
    /// What the pages have told so far.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.state.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until all pages have done what they can.
    ///
    /// # Errors
    /// Why a page does not work.
    pub(crate) async fn done(&mut self) -> Result<(), String> {
        let ended = |progress: &Progress| *progress != Progress::Done(0) && !going_on(progress);
        match &*self.progress.wait_for(ended).await.expect("the server is there") {
            Progress::Broken(why) => Err(why.clone()),
            Progress::Done(_) => Ok(()),
        }
    }
}

fn going_on(progress: &Progress) -> bool {
    matches!(progress, Progress::Done(places) if *places < Place::PAGES.len())
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(state.answer(request).await) }
            });
            // A page may go away at any time.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default().to_owned();
        let body = request.into_body().collect().await.map(|body| body.to_bytes());
        let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        let mut response = match (&method, &*path) {
            (&Method::OPTIONS, _) => reply(StatusCode::NO_CONTENT, "text/plain", String::new()),
            (&Method::GET, "/attacker") => match Place::at_host(&host, self.ports) {
                Some(place) => {
                    reply(StatusCode::OK, "text/html", place.page(self.ports, &self.secret))
                }
                None => reply(StatusCode::NOT_FOUND, "text/plain", host),
            },
            (&Method::GET, "/attacker-worker.js") => {
                reply(StatusCode::OK, "text/javascript", SERVICE_WORKER.to_owned())
            }
            (_, "/go") => go(&query),
            (&Method::POST, "/report") => self.report(&body).await,
            (&Method::POST, "/rebind") => {
                self.rebind(None);
                reply(StatusCode::OK, "text/plain", String::new())
            }
            (&Method::POST, "/done") => self.done(&body),
            (&Method::POST, "/broken") => {
                self.progress.send_replace(Progress::Broken(body));
                reply(StatusCode::OK, "text/plain", String::new())
            }
            _ => reply(StatusCode::NOT_FOUND, "text/plain", path.clone()),
        };
        let headers = response.headers_mut();
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-headers", "metadata, secret, x-identity-header, content-type"),
        ] {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// Keeps what a page tells, once that which it sent has been answered.
    async fn report(&self, body: &str) -> Response<Full<Bytes>> {
        let Some(attempt) = Attempt::parse(body) else {
            self.progress.send_replace(Progress::Broken(format!("it tells: {body}")));
            return reply(StatusCode::BAD_REQUEST, "text/plain", String::new());
        };
        if attempt.arrives != Arrives::Nothing {
            // That it never came is for the judge to say.
            drop(tokio::time::timeout(ARRIVES_WITHIN, self.log.answered(&attempt.tag)).await);
        }
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
        reply(StatusCode::OK, "text/plain", String::new())
    }

    fn rebind(&self, attackers: Option<Port>) {
        self.relays.iter().for_each(|relay| relay.rebind(attackers));
    }

    /// Says where the browser goes next.
    fn done(&self, body: &str) -> Response<Full<Bytes>> {
        let at = Place::PAGES.into_iter().position(|place| place.as_str() == body);
        let next = at.map_or(Place::PAGES.len(), |at| at + 1);
        let next_place = Place::PAGES.get(next);
        self.rebind(next_place.and_then(|place| place.own()));
        self.progress.send_if_modified(|progress| {
            let better = matches!(progress, Progress::Done(_));
            if better {
                *progress = Progress::Done(next);
            }
            better
        });
        let url = next_place.and_then(|place| place.url(self.ports));
        reply(StatusCode::OK, "text/plain", url.unwrap_or_default())
    }
}

/// Sends a browser on, with whatever it has.
fn go(to: &str) -> Response<Full<Bytes>> {
    let mut response = reply(StatusCode::TEMPORARY_REDIRECT, "text/plain", String::new());
    let location = HeaderValue::from_str(to).expect("a query is plain ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
