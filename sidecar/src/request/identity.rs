//! Which identity a request asks for, by the many names that SDKs have for it.

use std::borrow::Cow;

use cambist_core::foreign::Foreign;
use cambist_core::policy::{Identity, Selector, SelectorKind};

use super::{Reason, Rejection};

/// What kind of selector a parameter is, by any of the names in use.
pub(super) fn kind_of(name: &str) -> Option<SelectorKind> {
    const NAMES: [(&str, SelectorKind); 9] = [
        ("client_id", SelectorKind::Client),
        ("clientid", SelectorKind::Client),
        ("object_id", SelectorKind::Object),
        ("principal_id", SelectorKind::Object),
        ("principalid", SelectorKind::Object),
        ("msi_res_id", SelectorKind::Resource),
        ("mi_res_id", SelectorKind::Resource),
        ("msi-res-id", SelectorKind::Resource),
        ("resource_id", SelectorKind::Resource),
    ];
    NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| *kind)
}

/// A name that a request has for an identity, as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Named<'r> {
    pub(super) kind: SelectorKind,
    pub(super) value: Cow<'r, str>,
}

impl Named<'_> {
    fn selector(&self) -> Selector<'_> {
        Selector { kind: self.kind, value: &self.value }
    }
}

/// The one identity that is named, however often, if any is.
///
/// # Errors
/// If two are named.
pub(crate) fn selected<'r>(named: &'r [Named<'_>]) -> Result<Option<Selector<'r>>, Rejection> {
    let Some((first, rest)) = named.split_first() else { return Ok(None) };
    let conflict = rest
        .iter()
        .find(|other| other.kind != first.kind || !other.value.eq_ignore_ascii_case(&first.value));
    let first = first.selector();
    let Some(other) = conflict else { return Ok(Some(first)) };
    let other = other.selector();
    let detail = format!("the request names two identities, the {first} and the {other}");
    Err(Rejection::new(Reason::IdentityConflict, detail))
}

/// It is not the only one there is, which variables made. "Identity not found" is what the metadata service says, and
/// what SDKs look for.
pub(crate) fn not_found(selector: &Selector<'_>, only: &Identity) -> Rejection {
    let variable = match selector.kind {
        SelectorKind::Client => "AZURE_CLIENT_ID",
        SelectorKind::Object => "CAMBIST_OBJECT_ID",
        SelectorKind::Resource => "CAMBIST_RESOURCE_ID",
    };
    let known = only.known(selector.kind);
    let known = known.map_or("not set".to_owned(), |known| Foreign::new(known).to_string());
    let detail = format!(
        "Identity not found: the request names the {selector}, and this sidecar's {variable} is {known}"
    );
    Rejection::new(Reason::IdentityNotFound, detail)
}
