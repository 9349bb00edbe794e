//! Where identities come from: variables that describe one, or a file of several.

use std::path::PathBuf;

use cambist::Env as _;
use cambist::config::{Defaults, Identity, Shared};
use cambist::exchange::TenantId;
use cambist::identities::{Caller, Identities, KnownBy, Mode, Policy, Selectable};
use cambist_core::scope::Allowed;

use super::policy::{CONFIG, SECRET, SECRET_FILE};
use super::{PolicySource, Reader, SignIn, scopes};
use crate::request::Protocol;

/// What is trusted, who one is if variables say so, and what holds for those that a file names.
pub(super) struct Source {
    pub(super) sign_in: SignIn,
    identity: Option<Identity>,
    defaults: Defaults,
}

impl From<cambist::Config> for Source {
    fn from(config: cambist::Config) -> Self {
        let sign_in = SignIn::Federated(Box::new(config.trust));
        Self { sign_in, identity: Some(config.identity), defaults: Defaults::default() }
    }
}

impl From<Shared> for Source {
    fn from(shared: Shared) -> Self {
        let sign_in = SignIn::Federated(Box::new(shared.trust));
        Self { sign_in, identity: None, defaults: shared.defaults }
    }
}

#[cfg(feature = "developer")]
impl Source {
    /// A developer stands in for everybody; nothing of the stand-in is ever used but its name.
    fn developer() -> Self {
        let identity = Some(stand_in());
        Self { sign_in: SignIn::Developer, identity, defaults: Defaults::default() }
    }
}

/// Where there is none, or a broken one: what else is wrong is still told.
fn stand_in() -> Identity {
    let tenant = TenantId::parse("developer.invalid").expect("it has the form of a domain");
    Identity::new(tenant, "developer", "/nowhere")
}

impl Reader<'_> {
    /// What is trusted, and who one is if variables say so.
    pub(super) fn source(&mut self) -> Option<Source> {
        match self.settings.get("CAMBIST_SOURCE").as_deref().map(str::trim) {
            None | Some("federated") => {
                let read = match self.settings.get(CONFIG) {
                    None => cambist::Config::from_env(self.settings).map(Source::from),
                    Some(_) => Shared::from_env(self.settings).map(Source::from),
                };
                read.map_err(|errors| self.faults.extend_from_slice(errors.faults())).ok()
            }
            #[cfg(feature = "developer")]
            Some("developer") => Some(Source::developer()),
            #[cfg(not(feature = "developer"))]
            Some("developer") => {
                let problem = "this build has no developer source: it is for laptops, and left out \
                     of images. Build with `--features developer`";
                self.fault("CAMBIST_SOURCE", problem);
                None
            }
            Some(other) => {
                let problem = format!("{other:?} is neither \"federated\" nor \"developer\"");
                self.fault("CAMBIST_SOURCE", problem);
                None
            }
        }
    }

    /// One identity, that whoever knows the header secret may have, and by a protocol that asks for none, whoever
    /// comes.
    pub(super) fn of_variables(
        &mut self,
        protocols: Vec<Protocol>,
        source: Option<&Source>,
    ) -> Option<PolicySource> {
        let any = || ["*".parse::<Allowed>().expect("a star is every resource")];
        let file = self.settings.get(SECRET_FILE);
        let known_by = match (self.settings.get(SECRET), file) {
            (None, None) => None,
            (Some(_), None) => Some(KnownBy::Variable(SECRET.to_owned())),
            (None, Some(path)) => Some(KnownBy::Files(vec![path.into()])),
            (Some(_), Some(_)) => {
                self.fault(SECRET_FILE, "IDENTITY_HEADER is set, too; set one of them");
                return None;
            }
        };
        let app = known_by.map(|known_by| (Caller::new("app").may(0, any()), known_by));
        let anonymous = protocols.contains(&Protocol::Imds);
        let anonymous =
            anonymous.then(|| (Caller::new("anonymous").may(0, any()), KnownBy::Nothing));
        let (callers, known_by): (Vec<_>, Vec<_>) = app.into_iter().chain(anonymous).unzip();
        let prefetch = self.parsed("CAMBIST_PREFETCH", Vec::new(), scopes);
        let identity = source.and_then(|source| source.identity.clone());
        let mut identity = identity.unwrap_or_else(stand_in);
        let mut selectable = Selectable::new("identity", &*identity.client_id);
        selectable.object_id = self.settings.get("CAMBIST_OBJECT_ID");
        selectable.resource_id = self.settings.get("CAMBIST_RESOURCE_ID");
        selectable.anybody = source.is_some_and(|source| source.sign_in.is_developer());
        identity.prefetch = prefetch;
        let policy = Policy::new(Mode::Enforce, vec![selectable], callers);
        let identities = Identities::new(vec![identity], policy, known_by);
        Some(PolicySource::of_variables(identities, protocols, self.settings))
    }

    pub(super) fn of_file(
        &mut self,
        path: PathBuf,
        protocols: Vec<Protocol>,
        source: Option<&Source>,
    ) -> Option<PolicySource> {
        for (name, place) in [
            (SECRET_FILE, "callers, as secret_files"),
            ("CAMBIST_PREFETCH", "identities, as prefetch"),
            ("CAMBIST_OBJECT_ID", "identities, as object_id"),
            ("CAMBIST_RESOURCE_ID", "identities, as resource_id"),
        ] {
            if self.settings.get(name).is_some() {
                let problem = format!(
                    "{CONFIG} is set, and its file says that (under {place}): unset this one"
                );
                self.fault(name, problem);
            }
        }
        Some(PolicySource::of_file(path, source?.defaults.clone(), protocols, self.settings))
    }
}
