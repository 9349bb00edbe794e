//! The parts of the confinement, and what each takes.

use std::fmt;

/// The newest version of landlock whose rights are given up: the newest that was tried.
pub const NEWEST: i32 = 7;

/// A part of what a process can give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Dumps of its memory, and being looked into by others of its user.
    Dumps,
    /// Gaining rights by running a program.
    Privileges,
    /// Reading, writing and running files but those it needs.
    Files,
    /// Cutting files short, which once was no writing.
    Truncate,
    /// Commands to devices.
    Devices,
    /// Listening on other ports.
    Listen,
    /// Connecting to other ports.
    Connect,
    /// Signals to other processes.
    Signals,
    /// Unix sockets without a file, of other processes.
    Sockets,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Dumps,
        Self::Privileges,
        Self::Files,
        Self::Truncate,
        Self::Devices,
        Self::Listen,
        Self::Connect,
        Self::Signals,
        Self::Sockets,
    ];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dumps => "dumps",
            Self::Privileges => "privileges",
            Self::Files => "files",
            Self::Truncate => "truncate",
            Self::Devices => "devices",
            Self::Listen => "listen",
            Self::Connect => "connect",
            Self::Signals => "signals",
            Self::Sockets => "sockets",
        }
    }

    /// The version of landlock that has it, and the Linux that came with that; none for what is older
    /// than landlock.
    pub const fn since(self) -> Option<(i32, &'static str)> {
        match self {
            Self::Dumps | Self::Privileges => None,
            Self::Files => Some((1, "5.13")),
            Self::Truncate => Some((3, "6.2")),
            Self::Listen | Self::Connect => Some((4, "6.7")),
            Self::Devices => Some((5, "6.10")),
            Self::Signals | Self::Sockets => Some((6, "6.12")),
        }
    }

    /// Why this version of landlock has it not, if that is so.
    pub(super) fn lacking(self, abi: i32) -> Option<String> {
        let (since, linux) = self.since().filter(|(since, _)| abi < *since)?;
        Some(match abi {
            0 => format!(
                "this kernel has no landlock, or a seccomp filter hides it; Linux {linux} has it"
            ),
            _ => format!(
                "this kernel's landlock is version {abi}; it takes {since}, as Linux {linux} has"
            ),
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
