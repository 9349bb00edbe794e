//! The closed sets of words that events are counted and found by.

/// How a reader was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServedHow {
    /// From the cache, at once.
    Hit,
    /// From the cache although the token should have been refreshed by now.
    Held,
    /// After waiting for the work to be done.
    Fetched,
    /// With an error.
    Failed,
}

impl ServedHow {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Held, Self::Fetched, Self::Failed];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Held => "held",
            Self::Fetched => "fetched",
            Self::Failed => "failed",
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// The issuer's public discovery document and key set.
    Public,
    /// The cluster's own API server.
    Api,
    /// A mounted key-set file.
    File,
}

impl KeySource {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Public, Self::Api, Self::File];

    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Api => "api",
            Self::File => "file",
        }
    }
}

/// How looking for keys ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeysOutcome {
    /// A key set was read.
    Read,
    /// The source could not be reached or gave no usable set.
    Failed,
}

impl KeysOutcome {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Read, Self::Failed];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// What a file is for that may change while a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// It holds certificates of authorities.
    Ca,
    /// It holds a projected token.
    Token,
    /// It holds the certificate of a listener, and another its key.
    Certificate,
}

impl FileKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Ca, Self::Token, Self::Certificate];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }
}

/// What became of a changed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileOutcome {
    /// What it holds is in use.
    Applied,
    /// It cannot be used, and what was in use before goes on.
    Refused,
}

impl FileOutcome {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Applied, Self::Refused];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

/// Which of an identity's exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hop {
    /// The first of an agent identity's two: what its blueprint gives to stand for it.
    Blueprint,
    /// The one for a resource's token: an agent identity's second, and the only one of all others.
    Resource,
}

impl Hop {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Blueprint, Self::Resource];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blueprint => "blueprint",
            Self::Resource => "resource",
        }
    }
}
