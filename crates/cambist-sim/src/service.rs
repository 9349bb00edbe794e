//! The network of a world in process.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::{BoxError, Service};

use crate::fault::By;
use crate::reply::{Request, Response};
use crate::world::{Answer, Sim};

/// The network of a [`Sim`], as a `tower::Service` for absolute https URLs.
///
/// A host that does not exist is an [`io::Error`] of kind `NotFound`, a broken connection one of kind
/// `ConnectionReset`. A truncated answer is a response whose body is shorter than its `Content-Length`.
#[derive(Clone, Debug)]
pub struct SimService {
    sim: Sim,
    by: By,
}

impl SimService {
    pub(crate) fn new(sim: Sim, by: By) -> Self {
        Self { sim, by }
    }
}

impl Service<Request> for SimService {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { sim, by } = self.clone();
        Box::pin(async move {
            let Some(side) = sim.side(request.uri()) else {
                let host = request.uri().authority().map_or("", |authority| authority.as_str());
                let error = format!("no server '{host}' in this simulated world");
                return Err(io::Error::new(io::ErrorKind::NotFound, error).into());
            };
            let fetch = Self { sim: sim.clone(), by: By::Entra };
            match sim.answer(side, by, request, fetch).await {
                Answer::Whole(response) | Answer::Cut(response) => Ok(response),
                Answer::Reset => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            }
        })
    }
}
