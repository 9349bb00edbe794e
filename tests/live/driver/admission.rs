//! The sidecar injected by the API server itself, and the guard of its token: the policies as
//! `cambist deploy inject` prints them, Pod Security *restricted* enforced, everything by dry-run on the
//! server unless something has to stay.

mod change;
mod cost;
mod difference;
mod others;
mod pods;
mod policies;
mod world;
mod written;

pub(crate) use change::{containers_that_come, images_that_change, made_again, without_env_files};
pub(crate) use cost::latency;
pub(crate) use others::{jobs, large, late_containers, quota};
pub(crate) use pods::{idempotent, injected, refused};
pub(crate) use policies::Policies;
pub(crate) use world::World;
