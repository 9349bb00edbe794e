//! Nothing here: see `tests/both_crypto_features.rs`.
#![forbid(unsafe_code)]
