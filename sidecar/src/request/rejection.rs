//! Why a request yields no token.

use std::borrow::Cow;
use std::fmt;

use cambist_core::policy::Denied;
use cambist_core::secret::Secret;
use http::StatusCode;

use super::misplaced;

mod about;

/// A request that yields no token, and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    reason: Reason,
    detail: Cow<'static, str>,
    caller: Option<Box<str>>,
}

impl Rejection {
    pub(crate) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into(), caller: None }
    }

    /// What a policy refuses, in its own words.
    pub(crate) fn of_policy(denied: &Denied) -> Self {
        let reason = match denied {
            Denied::NotFound { .. } => Reason::IdentityNotFound,
            Denied::Ambiguous { .. } | Denied::Shared { .. } => Reason::IdentityAmbiguous,
            _ => Reason::PolicyDenied,
        };
        Self::new(reason, denied.to_string())
    }

    /// The same, of this caller of the policy.
    pub(crate) fn by(self, caller: &str) -> Self {
        Self { caller: Some(caller.into()), ..self }
    }

    /// The same without secrets that the request had where they do not belong.
    pub(crate) fn without<'s>(self, secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        // What is borrowed is our own words.
        let Cow::Owned(detail) = &self.detail else { return self };
        match misplaced::without(detail, secrets) {
            Some(detail) => Self { detail: detail.into(), ..self },
            None => self,
        }
    }

    /// Who asked, as the policy calls it, if it got so far.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// Which rule it broke.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Rejection {}

/// The rules, each with its word.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident: $word:literal,)*) => {
        /// The rules a request can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)*
        }

        impl Reason {
            /// All there are.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// The reason as one stable word: the header `x-cambist-reason`, the metric's label.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What the request did, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii(),)*
                }
            }
        }
    };
}

reasons! {
    /// It is not HTTP/1.1.
    HttpVersion: "http_version",
    /// It has a body, or says so.
    Body: "body",
    /// It does not say which host it is meant for, or in a way that servers and proxies differ about.
    Host: "host",
    /// It is meant for another host.
    HostNotAllowed: "host_not_allowed",
    /// A proxy sent it.
    Forwarded: "forwarded",
    /// A browser sent it.
    Browser: "browser",
    /// It comes from beyond the pod, for what is answered within alone.
    OffLoopback: "off_loopback",
    /// Nothing is at its path.
    Path: "path",
    /// What is at its path is not open.
    ProtocolClosed: "protocol_closed",
    /// Its method is not GET.
    Method: "method",
    /// It does not know the header secret.
    IdentityHeader: "identity_header",
    /// It has no `Metadata: true`.
    MetadataHeader: "metadata_header",
    /// Its query cannot be read, or means two things.
    Query: "query",
    /// It names no version, or none that looks like one.
    ApiVersion: "api_version",
    /// It names no usable resource.
    Resource: "resource",
    /// It names no usable scope.
    Scope: "scope",
    /// It asks for a lifetime that is no number, or too large.
    MinTtl: "min_ttl",
    /// It names two identities.
    IdentityConflict: "identity_conflict",
    /// It names an identity that its caller may not have, or that there is not.
    IdentityNotFound: "identity_not_found",
    /// It names none of several.
    IdentityAmbiguous: "identity_ambiguous",
    /// It asks for what the policy does not give its caller.
    PolicyDenied: "policy_denied",
}

impl Reason {
    /// What was compared with what, or looked at.
    pub const fn compared(self) -> &'static str {
        about::described(self).0
    }

    /// What to look at and what to change, where a rejection does not say more of its own case.
    pub const fn remedy(self) -> &'static str {
        about::described(self).1
    }

    /// The status it is answered with. What an app can bring about through its SDK is 403: a 400 is not
    /// shown by one of them (see [`reply::failure`](crate::reply::failure)), and a 404 is tried again by
    /// most, for up to two minutes.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::HostNotAllowed
            | Self::Forwarded
            | Self::Browser
            | Self::OffLoopback
            | Self::Path
            | Self::ProtocolClosed
            | Self::Resource
            | Self::IdentityConflict
            | Self::IdentityNotFound
            | Self::IdentityAmbiguous
            | Self::PolicyDenied => StatusCode::FORBIDDEN,
            Self::IdentityHeader => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The `error` field of the reply, in the words that SDKs know.
    pub const fn error(self) -> &'static str {
        match self {
            Self::HostNotAllowed
            | Self::Forwarded
            | Self::Browser
            | Self::OffLoopback
            | Self::Path
            | Self::ProtocolClosed
            | Self::PolicyDenied => "access_denied",
            Self::IdentityHeader => "unauthorized",
            Self::Method => "method_not_allowed",
            Self::MetadataHeader => "bad_request_102",
            _ => "invalid_request",
        }
    }

    /// Whether the connection must end with the reply: where a message's end is in doubt, the next
    /// one's beginning is, too.
    pub const fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::HttpVersion | Self::Body | Self::Host | Self::HostNotAllowed | Self::Method
        )
    }
}
