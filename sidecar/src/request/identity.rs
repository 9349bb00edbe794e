//! Which identity a request asks for, by the many names that SDKs have for it.

use std::borrow::Cow;

use cambist_core::foreign::Foreign;

use super::{Reason, Rejection};

/// Who the tokens are for, as far as it is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What it is called, where there are several.
    pub name: String,
    /// The application's client id.
    pub client_id: String,
    /// The service principal's object id, if it was configured.
    pub object_id: Option<String>,
    /// The managed identity's resource id, if it was configured.
    pub resource_id: Option<String>,
    /// Whether any identity is answered for: a developer stands in for all of them.
    pub any: bool,
}

/// What a selector names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Client,
    Object,
    Resource,
}

impl Kind {
    /// By any of the names in use.
    pub(super) fn of(name: &str) -> Option<Self> {
        const NAMES: [(&str, Kind); 9] = [
            ("client_id", Kind::Client),
            ("clientid", Kind::Client),
            ("object_id", Kind::Object),
            ("principal_id", Kind::Object),
            ("principalid", Kind::Object),
            ("msi_res_id", Kind::Resource),
            ("mi_res_id", Kind::Resource),
            ("msi-res-id", Kind::Resource),
            ("resource_id", Kind::Resource),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| *kind)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client id",
            Self::Object => "object id",
            Self::Resource => "resource id",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Client => "AZURE_CLIENT_ID",
            Self::Object => "CAMBIST_OBJECT_ID",
            Self::Resource => "CAMBIST_RESOURCE_ID",
        }
    }
}

/// One identity that a request names.
#[derive(Clone, Debug)]
pub(crate) struct Selector<'r> {
    pub(super) kind: Kind,
    pub(super) value: Cow<'r, str>,
}

/// What a request's selectors name: one identity, however often it is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selected<'r> {
    kind: Kind,
    value: &'r str,
}

impl<'r> Selected<'r> {
    /// The one identity that is named, if any is.
    ///
    /// # Errors
    /// If two are named.
    pub(crate) fn of(selectors: &'r [Selector<'_>]) -> Result<Option<Self>, Rejection> {
        let Some((first, rest)) = selectors.split_first() else { return Ok(None) };
        let conflict = rest.iter().find(|other| {
            other.kind != first.kind || !other.value.eq_ignore_ascii_case(&first.value)
        });
        let Some(other) = conflict else {
            return Ok(Some(Self { kind: first.kind, value: &first.value }));
        };
        let detail = format!(
            "the request names two identities, the {} {} and the {} {}",
            first.kind.as_str(),
            Foreign::new(&*first.value),
            other.kind.as_str(),
            Foreign::new(&*other.value)
        );
        Err(Rejection::new(Reason::IdentityConflict, detail))
    }

    /// It is none of those that the asker may have. "Identity not found" is what the metadata service says, and what
    /// SDKs look for.
    pub(crate) fn not_found(&self, instead: &str) -> Rejection {
        let detail = format!(
            "Identity not found: the request names the {} {}, and {instead}",
            self.kind.as_str(),
            Foreign::new(self.value)
        );
        Rejection::new(Reason::IdentityNotFound, detail)
    }
}

impl Identity {
    /// Whether this is who is selected.
    pub(crate) fn is(&self, selected: &Selected<'_>) -> bool {
        self.any
            || self
                .known(selected.kind)
                .is_some_and(|known| known.eq_ignore_ascii_case(selected.value))
    }

    /// What it goes by where it is the only one, in the words of the variables that made it.
    pub(crate) fn only(&self, selected: &Selected<'_>) -> String {
        let variable = selected.kind.variable();
        match self.known(selected.kind) {
            Some(known) => format!("this sidecar's {variable} is {}", Foreign::new(known)),
            None => format!("this sidecar's {variable} is not set"),
        }
    }

    fn known(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Client => Some(&self.client_id),
            Kind::Object => self.object_id.as_deref(),
            Kind::Resource => self.resource_id.as_deref(),
        }
    }
}
