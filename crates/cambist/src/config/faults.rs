//! What is wrong with a configuration.

use std::borrow::Cow;
use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// The variable, flag or file it is about.
    pub name: Cow<'static, str>,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

/// Everything that is wrong with a configuration; prints one fault a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigFault>);

impl ConfigFault {
    /// A problem with a variable, flag or file.
    pub fn new(name: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { name: name.into(), problem: problem.into() }
    }
}

impl ConfigErrors {
    /// These faults together.
    pub fn new(faults: Vec<ConfigFault>) -> Self {
        Self(faults)
    }

    /// The faults, in the order found.
    pub fn faults(&self) -> &[ConfigFault] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let end = if index + 1 < self.0.len() { "\n" } else { "" };
            write!(f, "{}: {}{end}", fault.name, fault.problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
