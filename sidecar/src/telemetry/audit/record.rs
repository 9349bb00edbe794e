//! A record of the audit trail: something that happened, in fields that mean one thing each.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use super::words::{Kind, KnownBy, Outcome};

/// The version of the form that records have. It counts up when a field goes or means something else, and not when
/// one is added.
pub const SCHEMA: u32 = 1;

/// A moment in milliseconds since 1970, told by RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub(super) i64);

impl Time {
    /// In nanoseconds since 1970; of what was before, zero.
    #[cfg(feature = "otlp")]
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0).unwrap_or_default().saturating_mul(1_000_000)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

type Text<'a> = Cow<'a, str>;

/// The record, and the table of its fields with what each means: the words of the one are those of the other.
macro_rules! record {
    ($($(#[doc = $meaning:literal])+ $field:ident: $type:ty,)+) => {
        /// Something that happened, to be taken by whoever writes or sends it. What is not known, or has no meaning for
        /// its kind, is left out. None of it is a secret, and text that others wrote is cut and escaped.
        #[derive(Clone, Debug, Serialize)]
        #[non_exhaustive]
        pub struct Record<'a> {
            /// The version of this form: [`SCHEMA`].
            pub schema: u32,
            /// When it was told, by the wall clock.
            pub time: Time,
            /// What kind of thing happened.
            pub kind: Kind,
            $(
                $(#[doc = $meaning])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
        }

        impl Record<'_> {
            /// One of this kind without any further field.
            pub fn new(kind: Kind, time: Time) -> Self {
                Self { schema: SCHEMA, time, kind, $($field: None,)+ }
            }
        }

        /// Each field beyond the first three, in the order of a line, and what it means.
        pub(super) const FIELDS: &[(&str, &str)] = &[$((stringify!($field), concat!($($meaning),+)),)+];
    };
}

record! {
    /// How it ended: `granted`, `refused`, `failed`, `sent_away`, `would_deny` or `key_objection`; what changed: `applied`, `refused` or `unchanged`
    outcome: Outcome,
    /// For how many this record stands: itself, and those like it that had none since the last one. Summed up over all records it is how many there were; of `lines_dropped`, how many lines
    count: u64,
    /// Who asked, as the policy calls it; left out where that was not found out
    caller: Text<'a>,
    /// What the caller was known by: `header_secret`, or `nothing` of whoever asks by imds
    known_by: KnownBy,
    /// How it was asked: `app-service`, `native` or `imds`
    protocol: Text<'a>,
    /// `admin`, if it was asked on that listener; left out of the one for tokens
    listener: Text<'a>,
    /// Whose token it was, as the policy calls it
    identity: Text<'a>,
    /// That identity's client id
    client_id: Text<'a>,
    /// Its tenant
    tenant_id: Text<'a>,
    /// The client id of the agent identity's blueprint, if its exchange failed
    blueprint: Text<'a>,
    /// What the token was for, as the app wrote it (of a token that is handed out again, as it did at first); left out of `repeated` where it stands for several
    resource: Text<'a>,
    /// Where the token was from: `hit` and `held` are from memory, for `fetched` the app waited
    how: Text<'a>,
    /// How long the app waited, in milliseconds
    waited_ms: u64,
    /// The answer's HTTP status
    status: u16,
    /// Why, in the stable word that the answer, the log and the metrics have, too
    reason: Text<'a>,
    /// Why, in words: what was compared with what, and the fix
    detail: Text<'a>,
    /// How long the app was told to leave it alone, in seconds
    retry_after_s: u64,
    /// Entra's code: 700213 is AADSTS700213
    aadsts: u32,
    /// When the token expires
    expires: Text<'a>,
    /// When it came from Entra
    received: Text<'a>,
    /// The thumbprint of the issuer's key that signed the projected token; left out where that was not verified
    key: Text<'a>,
    /// What was to be said of that key's age then
    verdict: Text<'a>,
    /// Why the projected token was sent without having been checked; left out if it was
    unchecked: Text<'a>,
    /// The id of the exchange, sent as `client-request-id`: `CorrelationId` in Entra's sign-in logs
    client_request_id: Text<'a>,
    /// The `client-request-id` that Entra's answer had
    correlation_id: Text<'a>,
    /// The id that Entra gave the request (`x-ms-request-id`)
    entra_request_id: Text<'a>,
    /// The `trace_id` of Entra's refusal
    trace_id: Text<'a>,
    /// The token's id as its claim has it: `UniqueTokenIdentifier` in Entra's sign-in logs; left out where it cannot be read
    uti: Text<'a>,
    /// The id of the projected token that was sent for it, which the API server's audit log has
    jti: Text<'a>,
    /// How the token's SHA-256 begins: 16 hexadecimal digits
    token_sha256: Text<'a>,
    /// The projected token's subject
    subject: Text<'a>,
    /// Its issuer
    issuer: Text<'a>,
    /// What speaks against the key
    evidence: Text<'a>,
    /// What to do about it
    remedy: Text<'a>,
    /// How the age of keys is taken: `off`, `audit` (it is told) or `enforce` (what overdue and compromised ones signed is held back)
    key_age: Text<'a>,
    /// What was loaded again: `policy`, with its secrets, or `ca`
    what: Text<'a>,
    /// The variable that names it
    setting: Text<'a>,
    /// Its path
    path: Text<'a>,
    /// How many identities there are
    identities: u64,
    /// How many callers
    callers: u64,
    /// Whether the policy is enforced or looks on: `enforce` or `audit`
    policy: Text<'a>,
    /// The program's version
    version: Text<'a>,
    /// Where tokens are served
    tokens_on: Text<'a>,
    /// Where probes and scrapers are answered; left out if nowhere
    admin_on: Text<'a>,
    /// The protocols that are open
    protocols: Text<'a>,
    /// How many connections were cut off at the end
    cut_off: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_known_in_the_tables_order() {
        let mut record = Record::new(Kind::Granted, Time(1_795_407_225_007));
        record.resource = Some("api://a".into());
        record.caller = Some("app".into());
        record.outcome = Some(Outcome::Granted);
        record.count = Some(1);
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            "{\"schema\":1,\"time\":\"2026-11-23T04:13:45.007Z\",\"kind\":\"granted\",\
             \"outcome\":\"granted\",\"count\":1,\"caller\":\"app\",\"resource\":\"api://a\"}"
        );
        assert_eq!(Time(i64::MAX).to_string(), format!("@{}", i64::MAX));
    }
}
