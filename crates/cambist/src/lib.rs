//! cambist
#![forbid(unsafe_code)]
