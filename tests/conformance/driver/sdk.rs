//! What is known of each SDK and held against it: where it can be pointed, and what it does by itself.

use kit::sidecar::VAULT;

use crate::stage::Protocol;

/// What a client shows of cambist's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// Whatever is wrong, in full.
    Always,
    /// Trouble that lasts; of trouble that may pass, only that it tried in vain.
    Lasting,
    /// Nothing.
    Nothing,
}

/// A client of the endpoint.
#[derive(Debug)]
pub(crate) struct Sdk {
    /// Its name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// The protocols that it can be made to speak with a sidecar.
    pub(crate) protocols: &'static [Protocol],
    /// What its tokens are for, if it takes them for one service alone.
    resource: Option<&'static str>,
    /// Whether it has a `DefaultAzureCredential`.
    pub(crate) default_credential: bool,
    /// Whether it keeps a token from one call to the next.
    pub(crate) caches: bool,
    /// To how many servers its first call shows a token, each of which it takes from its cache.
    pub(crate) servers: u64,
    /// Requests, each for a token of its own, that it makes before the first one that it is asked for.
    pub(crate) sign_in: u64,
    /// Whether it tries again after a 429 that says when.
    pub(crate) retries: bool,
    /// Whether it begins anew by itself after any failure, in the background.
    pub(crate) anew: bool,
    /// How often it tries at most what may work the next time.
    pub(crate) most: u64,
    /// Whether it takes the pod for something else where the secret is missing, and asks elsewhere.
    pub(crate) needs_secret: bool,
    /// What it shows of the answers.
    pub(crate) tells: Tells,
    /// Less than so many seconds a token must not have left, or it asks for another. None: it keeps tokens nearly to
    /// their ends, or asks at moments of its own.
    pub(crate) margin: Option<u64>,
    /// Whether it asks for another later than the loop of a lifetime lasts.
    pub(crate) late: bool,
    /// The ways of selecting an identity that it declines before it sends anything.
    declined: &'static [(Protocol, &'static str)],
    /// How often a call in a loop is made, in milliseconds: a process for each takes its time.
    pub(crate) pace: u64,
}

/// One that does all of it.
const COMPLETE: Sdk = Sdk {
    name: "",
    protocols: &[Protocol::AppService, Protocol::Imds],
    resource: None,
    default_credential: true,
    caches: true,
    servers: 1,
    sign_in: 0,
    retries: true,
    anew: false,
    most: 10,
    needs_secret: true,
    tells: Tells::Always,
    margin: Some(300),
    late: false,
    declined: &[],
    pace: 5_000,
};

/// A library that has no `DefaultAzureCredential`.
const LIBRARY: Sdk = Sdk { default_credential: false, ..COMPLETE };

/// One that knows storage alone.
const STORAGE: Option<&str> = Some("https://storage.azure.com");

/// All there are, in the order of the tables.
pub(crate) const SDKS: &[Sdk] = &[
    Sdk { name: "python", ..COMPLETE },
    Sdk { name: "python-aio", ..COMPLETE },
    Sdk { name: "javascript", ..COMPLETE },
    Sdk { name: "go", protocols: &[Protocol::AppService], ..COMPLETE },
    // Two of its layers retry, the one within the other.
    Sdk { name: "java", most: 24, ..COMPLETE },
    Sdk {
        name: "rust",
        protocols: &[Protocol::AppService],
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
        needs_secret: false,
        default_credential: false,
        caches: false,
        retries: false,
        most: 1,
        ..COMPLETE
    },
    Sdk { name: "msal-python", retries: false, most: 1, ..LIBRARY },
    Sdk { name: "msal-node", ..LIBRARY },
    // Its metadata service is a virtual machine's.
    Sdk { name: "msal-go", protocols: &[Protocol::AppService], ..LIBRARY },
    Sdk { name: "msal-java", ..LIBRARY },
    Sdk {
        name: "node-fetch",
        needs_secret: false,
        protocols: &[
            Protocol::AppService,
            Protocol::AppService2017,
            Protocol::Native,
            Protocol::Imds,
        ],
        caches: false,
        retries: false,
        most: 1,
        ..LIBRARY
    },
    // It asks again at once, whatever it is told about pauses.
    Sdk { name: "obstore", needs_secret: false, resource: STORAGE, most: 20, ..LIBRARY },
    Sdk {
        name: "opendal",
        protocols: &[Protocol::Imds],
        resource: Some("https://storage.azure.com/"),
        retries: false,
        most: 1,
        tells: Tells::Nothing,
        margin: None,
        late: true,
        ..LIBRARY
    },
    Sdk {
        name: "pyarrow",
        protocols: &[Protocol::AppService],
        resource: STORAGE,
        retries: false,
        tells: Tells::Nothing,
        margin: Some(120),
        servers: 2,
        declined: &[(Protocol::AppService, "object_id"), (Protocol::AppService, "resource_id")],
        ..LIBRARY
    },
    Sdk {
        name: "mssql-python",
        resource: Some("https://database.windows.net"),
        declined: &[
            (Protocol::AppService, "object_id"),
            (Protocol::AppService, "resource_id"),
            (Protocol::Imds, "object_id"),
            (Protocol::Imds, "resource_id"),
        ],
        ..LIBRARY
    },
    Sdk {
        name: "librdkafka",
        protocols: &[Protocol::Imds],
        resource: Some("https://shop.servicebus.windows.net"),
        // It shows the body of what lasts alone.
        tells: Tells::Lasting,
        margin: None,
        late: true,
        retries: false,
        anew: true,
        ..LIBRARY
    },
    // What its retries give up with has no text of the answer.
    Sdk {
        name: "terraform",
        protocols: &[Protocol::Imds],
        tells: Tells::Lasting,
        margin: Some(1200),
        late: true,
        declined: &[(Protocol::Imds, "object_id"), (Protocol::Imds, "resource_id")],
        ..LIBRARY
    },
    Sdk {
        name: "adal",
        needs_secret: false,
        protocols: &[Protocol::AppService2017],
        declined: &[(Protocol::AppService2017, "object_id")],
        ..LIBRARY
    },
    Sdk {
        name: "msrestazure",
        needs_secret: false,
        protocols: &[Protocol::AppService2017],
        caches: false,
        retries: false,
        most: 1,
        declined: &[
            (Protocol::AppService2017, "object_id"),
            (Protocol::AppService2017, "resource_id"),
        ],
        ..LIBRARY
    },
];

impl Sdk {
    /// By its name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SDKS.iter().find(|sdk| sdk.name == name)
    }

    /// What its tokens are for where nothing else is wanted.
    pub(crate) fn resource(&self) -> &'static str {
        self.resource.unwrap_or(VAULT)
    }

    /// Whether it takes tokens for whatever it is asked.
    pub(crate) fn any_resource(&self) -> bool {
        self.resource.is_none()
    }

    /// Whether it declines to select an identity this way.
    pub(crate) fn declines(&self, protocol: Protocol, kind: &str) -> bool {
        self.declined.contains(&(protocol, kind))
    }
}
