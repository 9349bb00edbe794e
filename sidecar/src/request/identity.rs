//! Which identity a request asks for, by the many names that SDKs have for it.

use std::borrow::Cow;

use super::{Reason, Rejection, shown};

/// Who the tokens are for, as far as it is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The application's client id.
    pub client_id: String,
    /// The service principal's object id, if it was configured.
    pub object_id: Option<String>,
    /// The managed identity's resource id, if it was configured.
    pub resource_id: Option<String>,
}

/// What a selector names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ClientId,
    ObjectId,
    ResourceId,
}

impl Kind {
    /// By any of the names in use.
    pub(super) fn of(name: &str) -> Option<Self> {
        const NAMES: [(&str, Kind); 9] = [
            ("client_id", Kind::ClientId),
            ("clientid", Kind::ClientId),
            ("object_id", Kind::ObjectId),
            ("principal_id", Kind::ObjectId),
            ("principalid", Kind::ObjectId),
            ("msi_res_id", Kind::ResourceId),
            ("mi_res_id", Kind::ResourceId),
            ("msi-res-id", Kind::ResourceId),
            ("resource_id", Kind::ResourceId),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| *kind)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::ClientId => "client id",
            Self::ObjectId => "object id",
            Self::ResourceId => "resource id",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::ClientId => "AZURE_CLIENT_ID",
            Self::ObjectId => "CAMBIST_OBJECT_ID",
            Self::ResourceId => "CAMBIST_RESOURCE_ID",
        }
    }
}

/// One identity that a request names.
#[derive(Clone, Debug)]
pub(super) struct Selector<'r> {
    pub(super) kind: Kind,
    pub(super) value: Cow<'r, str>,
}

impl Identity {
    /// Whether a request may be answered with this identity's token: it names none, or this one.
    pub(super) fn check(&self, selectors: &[Selector<'_>]) -> Result<(), Rejection> {
        let Some((first, rest)) = selectors.split_first() else { return Ok(()) };
        let conflict = rest.iter().find(|other| {
            other.kind != first.kind || !other.value.eq_ignore_ascii_case(&first.value)
        });
        if let Some(other) = conflict {
            let detail = format!(
                "the request names two identities, the {} {} and the {} {}",
                first.kind.as_str(),
                shown(&first.value),
                other.kind.as_str(),
                shown(&other.value)
            );
            return Err(Rejection::new(Reason::IdentityConflict, detail));
        }
        let known = match first.kind {
            Kind::ClientId => Some(self.client_id.as_str()),
            Kind::ObjectId => self.object_id.as_deref(),
            Kind::ResourceId => self.resource_id.as_deref(),
        };
        if known.is_some_and(|known| known.eq_ignore_ascii_case(&first.value)) {
            return Ok(());
        }
        let held = match known {
            Some(known) => format!("{} is {}", first.kind.variable(), shown(known)),
            None => format!("{} is not set", first.kind.variable()),
        };
        // "Identity not found" is what the metadata service says, and what SDKs look for.
        let detail = format!(
            "Identity not found: the request names the {} {}, and this sidecar's {held}",
            first.kind.as_str(),
            shown(&first.value)
        );
        Err(Rejection::new(Reason::IdentityNotFound, detail))
    }
}
