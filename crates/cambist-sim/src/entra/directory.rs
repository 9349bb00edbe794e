//! The tenants, and who is registered in them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cambist_core::clock::BootTime;
use cambist_core::names::is_guid;

use super::guid;
use super::identity::{FederatedCredential, Identity, Kind};
use super::own::{EXCHANGE, v2_issuer};
use super::refusal::Refusal;
use super::resources;
use crate::random;

#[derive(Debug)]
pub(super) struct Directory {
    /// Where those are registered of whom nothing else is said.
    home: String,
    tenants: BTreeSet<String>,
    /// By client id, which is one in all tenants.
    apps: BTreeMap<String, App>,
}

/// An application, managed identity or agent.
#[derive(Debug)]
pub(super) struct App {
    pub(super) kind: Kind,
    /// The tenant that it is registered in.
    home: String,
    /// The ids of its service principals, by tenant.
    principals: BTreeMap<String, String>,
    /// Whom it trusts, and the moment from which on it does.
    pub(super) credentials: Vec<(FederatedCredential, BootTime)>,
}

/// An app as one tenant knows it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The tenant that was asked.
    pub(super) tenant: String,
    pub(super) client_id: String,
    /// Its service principal there.
    pub(super) object_id: String,
    pub(super) kind: Kind,
    /// The tenant that it is registered in.
    pub(super) home: String,
    pub(super) credentials: Vec<(FederatedCredential, BootTime)>,
}

impl App {
    fn new(client_id: &str, home: &str, kind: Kind) -> Self {
        let mut app = Self {
            kind,
            home: home.to_owned(),
            principals: BTreeMap::new(),
            credentials: Vec::new(),
        };
        app.provision(client_id, home);
        app
    }

    fn provision(&mut self, client_id: &str, tenant: &str) {
        // An agent identity is nothing but its service principal.
        let object_id = match self.kind {
            Kind::AgentIdentity { .. } => client_id.to_owned(),
            _ => random::uuid(),
        };
        self.principals.entry(tenant.to_owned()).or_insert(object_id);
    }
}

impl Directory {
    pub(super) fn new(home: &str) -> Self {
        let tenants = BTreeSet::from([home.to_owned()]);
        Self { home: home.to_owned(), tenants, apps: BTreeMap::new() }
    }

    pub(super) fn add_tenant(&mut self, tenant: &str) {
        self.tenants.insert(tenant.to_owned());
    }

    /// In the place of whatever had its client id.
    pub(super) fn add(&mut self, identity: Identity, now: BootTime) {
        let Identity { tenant, client_id, kind, elsewhere, credentials } = identity;
        let mut app = App::new(&client_id, &tenant, kind);
        app.credentials = credentials.into_iter().map(|credential| (credential, now)).collect();
        for tenant in &elsewhere {
            app.provision(&client_id, tenant);
        }
        self.tenants.extend(app.principals.keys().cloned());
        self.apps.insert(client_id, app);
    }

    /// The app of this client id, registered at home if there is none.
    pub(super) fn app(&mut self, client_id: &str) -> &mut App {
        let new = || App::new(client_id, &self.home, Kind::default());
        self.apps.entry(client_id.to_owned()).or_insert_with(new)
    }

    pub(super) fn kind(&self, client_id: &str) -> Option<&Kind> {
        self.apps.get(client_id).map(|app| &app.kind)
    }

    pub(super) fn home_of(&self, client_id: &str) -> Option<&str> {
        self.apps.get(client_id).map(|app| app.home.as_str())
    }

    pub(super) fn object_id(&self, tenant: &str, client_id: &str) -> Option<&str> {
        self.apps.get(client_id)?.principals.get(tenant).map(String::as_str)
    }

    /// Whether a tenant has an app that is this resource: by client id, or by `api://` and client id.
    pub(super) fn has_resource(&self, tenant: &str, resource: &str) -> bool {
        let name = resources::name(resource);
        let client_id = name.strip_prefix("api://").unwrap_or(&name);
        let here = |(id, app): (&String, &App)| {
            id.eq_ignore_ascii_case(client_id) && app.principals.contains_key(tenant)
        };
        is_guid(client_id) && self.apps.iter().any(here)
    }

    /// The app as this tenant knows it, if there is such a tenant and if it does.
    pub(super) fn client(&self, tenant: &str, client_id: &str) -> Result<Client, Refusal> {
        self.check_tenant(tenant)?;
        let app = self.apps.get(client_id);
        let known = app.and_then(|app| app.principals.get(tenant).map(|id| (app, id)));
        let (app, object_id) = known.ok_or_else(|| {
            let text = format!(
                "Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            );
            Refusal::new(700_016, text)
        })?;
        Ok(Client {
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            object_id: object_id.clone(),
            kind: app.kind.clone(),
            home: app.home.clone(),
            credentials: match &app.kind {
                Kind::AgentIdentity { blueprint } => vec![of_agent(tenant, client_id, blueprint)],
                _ => app.credentials.clone(),
            },
        })
    }

    fn check_tenant(&self, tenant: &str) -> Result<(), Refusal> {
        if self.tenants.contains(tenant) {
            return Ok(());
        }
        let looks_right = is_guid(tenant) || tenant.contains('.');
        let code = if looks_right { 90_002 } else { 900_023 };
        let text = if looks_right {
            format!(
                "Tenant '{tenant}' not found. Check that the tenant id and the cloud are right."
            )
        } else {
            format!("Specified tenant identifier '{tenant}' is neither a domain name nor a GUID.")
        };
        Err(Refusal::new(code, text))
    }
}

/// What an agent identity trusts, without anybody having said so: its blueprint's token for it.
fn of_agent(tenant: &str, client_id: &str, blueprint: &str) -> (FederatedCredential, BootTime) {
    let credential = FederatedCredential {
        issuer: v2_issuer(tenant),
        subject: path(tenant, blueprint, client_id),
        audience: EXCHANGE.to_owned(),
    };
    (credential, BootTime::from_origin(Duration::ZERO))
}

/// The `sub` of a token that was asked for with `fmi_path`.
pub(super) fn path(tenant: &str, client_id: &str, fmi_path: &str) -> String {
    let (tenant, app) = (guid::short_of(tenant), guid::short_of(client_id));
    format!("/eid1/c/pub/t/{tenant}/a/{app}/{fmi_path}")
}
