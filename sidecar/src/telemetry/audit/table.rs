//! The kinds of records and their fields, as tables for docs/audit.md.

use super::record::{FIELDS, SCHEMA};
use super::words::Kind;

/// The fields that a record may have beyond `schema`, `time` and `kind`, by its kind.
pub(super) const fn fields(kind: Kind) -> &'static str {
    match kind {
        Kind::Started => "version tokens_on admin_on protocols policy identities callers key_age",
        Kind::Granted => {
            "outcome count caller known_by protocol identity client_id tenant_id resource how waited_ms status expires \
             received key verdict unchecked client_request_id correlation_id entra_request_id uti jti token_sha256"
        }
        Kind::Refused => "outcome count caller known_by protocol listener status reason detail",
        Kind::Failed => {
            "outcome count caller known_by protocol identity client_id tenant_id blueprint resource waited_ms status \
             reason detail retry_after_s aadsts key client_request_id correlation_id entra_request_id trace_id"
        }
        Kind::SentAway => {
            "outcome count caller known_by protocol identity client_id tenant_id resource waited_ms status reason"
        }
        Kind::WouldDeny => {
            "outcome count caller known_by protocol identity client_id tenant_id resource"
        }
        Kind::Repeated => {
            "outcome count caller protocol listener identity client_id resource reason key client_request_id \
             token_sha256"
        }
        Kind::Unchecked => {
            "client_id tenant_id resource unchecked client_request_id jti subject issuer"
        }
        Kind::KeyObjection => {
            "outcome count client_id tenant_id resource reason key client_request_id jti subject issuer evidence \
             remedy key_age"
        }
        Kind::Reloaded => "outcome detail what setting path identities callers",
        Kind::LinesDropped => "count",
        Kind::Ended => "cut_off",
    }
}

/// The kinds and fields as tables in Markdown.
///
/// ```
/// let table = cambist_sidecar::telemetry::audit::table();
/// assert!(table.contains("| `uti` | The token's id as its claim has it"));
/// ```
pub fn table() -> String {
    let mut table = "| kind | written when | fields |\n|---|---|---|\n".to_owned();
    for kind in Kind::ALL {
        let names: Vec<_> = fields(kind).split(' ').map(|name| format!("`{name}`")).collect();
        let (kind, when) = (kind.as_str(), kind.when());
        table += &format!("| `{kind}` | {when} | {} |\n", names.join(" "));
    }
    table += &format!(
        "\n| field | meaning |\n|---|---|\n\
         | `schema` | The version of this form, {SCHEMA}: it counts up when a field goes or means something else |\n\
         | `time` | When it was told, by the wall clock: RFC 3339, UTC, milliseconds |\n\
         | `kind` | What kind of thing happened |\n"
    );
    for (name, meaning) in FIELDS {
        table += &format!("| `{name}` | {} |\n", meaning.trim());
    }
    table
}
