//! Work that many wait for and that is done once at a time.
//!
//! A *flight* is one run of such work: a new token, a look for keys. Everybody who needs its outcome
//! waits for the same one. What each place of work may rely on:
//!
//! - **One at a time.** Whether a flight starts is decided under a lock, by whoever comes first.
//! - **Nothing is done twice.** The work stores what it brought before its flight's place is cleared,
//!   and whoever wants to start the next one looks at what is stored, under the lock, before.
//! - **Nobody waits for what is over.** The place is cleared before the outcome is told, so that
//!   whoever hears of a failure can start anew.
//! - **It outlives its callers.** It is a task of its own: who leaves cancels nothing, and no reader
//!   ever spawns anything else.
//! - **It ends in every case.** When its work panics, or the runtime goes, the place is cleared all the
//!   same and whoever waits hears that there is no outcome.
//!
//! All the deciding is in one plain struct behind the lock, without channels and tasks; `schedules`
//! runs this very code under every order of steps that shuttle comes upon.

mod one;
mod primitives;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

pub(crate) use one::{Flight, Joined};
