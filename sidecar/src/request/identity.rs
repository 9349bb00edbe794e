//! Which identity a request asks for, by the many names that SDKs have for it.

use std::borrow::Cow;

use cambist_core::foreign::Foreign;

use super::{Reason, Rejection};

/// Who the tokens are for, as far as it is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
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

impl Identity {
    /// Whether a request may be answered with this identity's token: it names none, or this one.
    pub(crate) fn check(&self, selectors: &[Selector<'_>]) -> Result<(), Rejection> {
        let Some((first, rest)) = selectors.split_first() else { return Ok(()) };
        let conflict = rest.iter().find(|other| {
            other.kind != first.kind || !other.value.eq_ignore_ascii_case(&first.value)
        });
        if let Some(other) = conflict {
            let detail = format!(
                "the request names two identities, the {} {} and the {} {}",
                first.kind.as_str(),
                Foreign::new(&*first.value),
                other.kind.as_str(),
                Foreign::new(&*other.value)
            );
            return Err(Rejection::new(Reason::IdentityConflict, detail));
        }
        if self.any {
            return Ok(());
        }
        let known = match first.kind {
            Kind::Client => Some(self.client_id.as_str()),
            Kind::Object => self.object_id.as_deref(),
            Kind::Resource => self.resource_id.as_deref(),
        };
        if known.is_some_and(|known| known.eq_ignore_ascii_case(&first.value)) {
            return Ok(());
        }
        let held = match known {
            Some(known) => format!("{} is {}", first.kind.variable(), Foreign::new(known)),
            None => format!("{} is not set", first.kind.variable()),
        };
        // "Identity not found" is what the metadata service says, and what SDKs look for.
        let detail = format!(
            "Identity not found: the request names the {} {}, and this sidecar's {held}",
            first.kind.as_str(),
            Foreign::new(&*first.value)
        );
        Err(Rejection::new(Reason::IdentityNotFound, detail))
    }
}
