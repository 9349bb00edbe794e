//! What is known of each SDK and held against it: where it can be pointed, and what it does by itself.

use crate::stage::Protocol;

/// A client of the endpoint.
#[derive(Debug)]
pub(crate) struct Sdk {
    /// Its name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// Whether its metadata service can be another than the address of a virtual machine's.
    pub(crate) imds: bool,
    /// Whether it has a `DefaultAzureCredential`.
    pub(crate) default_credential: bool,
    /// Whether it keeps a token from one call to the next.
    pub(crate) caches: bool,
    /// Requests, each for a token of its own, that it makes before the first one that it is asked for.
    pub(crate) sign_in: u64,
    /// Whether it tries again after a 429 that says when.
    pub(crate) retries: bool,
    /// How often it tries at most what may work the next time.
    pub(crate) most: u64,
    /// The ways of selecting an identity that it declines before it sends anything.
    declined: &'static [(Protocol, &'static str)],
    /// How often a call in a loop is made, in milliseconds: a process for each takes its time.
    pub(crate) pace: u64,
}

/// One that does all of it.
const COMPLETE: Sdk = Sdk {
    name: "",
    imds: true,
    default_credential: true,
    caches: true,
    sign_in: 0,
    retries: true,
    most: 10,
    declined: &[],
    pace: 5_000,
};

/// All there are, in the order of the tables.
pub(crate) const SDKS: &[Sdk] = &[
    Sdk { name: "python", ..COMPLETE },
    Sdk { name: "python-aio", ..COMPLETE },
    Sdk { name: "javascript", ..COMPLETE },
    Sdk { name: "go", imds: false, ..COMPLETE },
    // Two of its layers retry, the one within the other.
    Sdk { name: "java", most: 24, ..COMPLETE },
    Sdk {
        name: "rust",
        imds: false,
        default_credential: false,
        declined: &[(Protocol::AppService, "resource_id")],
        ..COMPLETE
    },
    // Each command is a process of its own, and signing in is one that asks Azure Resource Manager for
    // the subscriptions.
    Sdk {
        name: "azure-cli",
        default_credential: false,
        caches: false,
        sign_in: 1,
        retries: false,
        most: 1,
        pace: 10_000,
        ..COMPLETE
    },
    Sdk {
        name: "curl",
        default_credential: false,
        caches: false,
        retries: false,
        most: 1,
        ..COMPLETE
    },
];

impl Sdk {
    /// By its name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SDKS.iter().find(|sdk| sdk.name == name)
    }

    /// The protocols that it can be made to speak with a sidecar.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = Protocol> {
        let imds = self.imds;
        Protocol::ALL.into_iter().filter(move |protocol| imds || *protocol != Protocol::Imds)
    }

    /// Whether it declines to select an identity this way.
    pub(crate) fn declines(&self, protocol: Protocol, kind: &str) -> bool {
        self.declined.contains(&(protocol, kind))
    }
}
