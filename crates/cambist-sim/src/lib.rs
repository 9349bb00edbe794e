//! cambist-sim
#![forbid(unsafe_code)]
