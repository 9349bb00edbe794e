//! The environment, as an argument.

use std::collections::BTreeMap;
use std::fmt;

/// Where configuration is read from: names and texts.
///
/// The process' own variables are [`Process`]; a `BTreeMap` serves tests and layers.
pub trait Env: fmt::Debug {
    /// The text under a name; one that is blank counts as absent, because a manifest cannot unset.
    fn get(&self, name: &str) -> Option<String>;

    /// All names there are, so that one nobody reads can be pointed out.
    fn names(&self) -> Vec<String>;
}

/// The variables of this process.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it, and it is made by its name")]
pub struct Process;

impl Env for Process {
    #[expect(clippy::disallowed_methods, reason = "this is the place the environment comes in")]
    fn get(&self, name: &str) -> Option<String> {
        // What is not UTF-8 must not pass for absent: a setting would silently be off. Like this it
        // fits no rule and is told as a fault.
        let text = std::env::var_os(name)?.to_string_lossy().into_owned();
        Some(text).filter(|text| !text.trim().is_empty())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place the environment comes in")]
    fn names(&self) -> Vec<String> {
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }
}

impl Env for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        self.get(name).filter(|text| !text.trim().is_empty()).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}
