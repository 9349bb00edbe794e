//! The rules of cambist.
#![forbid(unsafe_code)]

pub mod clock;
