//! What the names in a file mean: identities, callers and a policy of them; or all that does not go together.

use std::collections::HashMap;

use cambist_core::foreign::Foreign;
use cambist_core::names::is_guid;
use cambist_core::policy::{Identity as Selectable, Mode, Policy};
use cambist_core::scope::{Allowed, Resource, Scope};

use super::check::{FileErrors, FileFault, near};
use super::{IdentityEntry, KindEntry, PolicyFile, PolicyMode, warnings};
use crate::config::{Defaults, Identity};
use crate::exchange::{Authority, Cloud, TenantId};
use crate::identities::{Identities, MOST_IDENTITIES};

mod callers;

/// Longest name of an identity or a caller: they are labels of metrics and fields of log lines.
const LONGEST_NAME: usize = 63;

impl PolicyFile {
    /// Finds out what the names in it mean.
    ///
    /// # Errors
    /// All that does not go together, at once, each with its path in the file; of very much, the first hundred.
    pub fn resolve(&self, defaults: &Defaults) -> Result<Identities, FileErrors> {
        self.resolve_all(defaults).map_err(FileErrors::cut)
    }

    pub(super) fn resolve_all(&self, defaults: &Defaults) -> Result<Identities, FileErrors> {
        let mut resolve = Resolve { defaults, faults: Vec::new() };
        let identities = resolve.identities(&self.identities);
        let names: Vec<_> = self.identities.iter().map(|it| &*it.name).collect();
        let (callers, known_by) = resolve.callers(&self.callers, &names);
        let default = self.default.as_ref().and_then(|name| resolve.place(name, &names, "default"));
        FileErrors::of(resolve.faults)?;
        let (identities, selectable) = identities.into_iter().flatten().unzip();
        let mode = match self.mode {
            PolicyMode::Audit => Mode::Audit,
            PolicyMode::Enforce => Mode::Enforce,
        };
        let policy = Policy::new(mode, selectable, callers);
        let policy = match default {
            Some(identity) => policy.with_default(identity),
            None => policy,
        };
        let mut made = Identities::new(identities, policy, known_by);
        made.warnings = warnings::of(&made);
        Ok(made)
    }
}

struct Resolve<'a> {
    defaults: &'a Defaults,
    faults: Vec<FileFault>,
}

impl Resolve<'_> {
    fn fault(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.faults.push(FileFault::new(path, problem));
    }

    /// What was parsed, or a fault.
    fn parsed<T, E: ToString>(&mut self, path: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.fault(path, error.to_string())).ok()
    }

    fn identities(&mut self, entries: &[IdentityEntry]) -> Vec<Option<(Identity, Selectable)>> {
        self.count("identities", entries.len(), MOST_IDENTITIES);
        self.names("identities", entries.iter().map(|it| &*it.name));
        let made: Vec<_> =
            entries.iter().enumerate().map(|(n, entry)| self.identity(n, entry)).collect();
        self.check_twins(&made);
        made
    }

    fn identity(&mut self, n: usize, entry: &IdentityEntry) -> Option<(Identity, Selectable)> {
        let at = |field: &str| format!("identities[{n}].{field}");
        let tenant = match &entry.tenant {
            Some(text) => self.parsed(&at("tenant"), TenantId::parse(text)),
            None => {
                if self.defaults.tenant_id.is_none() {
                    self.fault(
                        format!("identities[{n}]"),
                        "tenant is missing, and AZURE_TENANT_ID is not set to stand in for it",
                    );
                }
                self.defaults.tenant_id.clone()
            }
        };
        self.guid(&at("client_id"), &entry.client_id);
        if let Some(id) = &entry.object_id {
            self.guid(&at("object_id"), id);
        }
        if let Some(id) = entry.resource_id.as_ref().filter(|id| !is_resource_id(id)) {
            let problem = format!(
                "{} is no Azure resource id; it is like /subscriptions/ID/resourceGroups/GROUP/providers/...",
                Foreign::new(&**id)
            );
            self.fault(at("resource_id"), problem);
        }
        let token_file = entry.token_file.clone().or_else(|| self.defaults.token_file.clone());
        if token_file.is_none() {
            self.fault(
                format!("identities[{n}]"),
                "token_file is missing, and AZURE_FEDERATED_TOKEN_FILE is not set to stand in for it",
            );
        }
        let authority = self.authority(&at("authority"), entry);
        let resources = entry.resources.as_ref();
        let resources = resources.map(|list| self.resources(&at("resources"), list));
        let prefetch = self.prefetch(&at("prefetch"), &entry.prefetch, resources.as_deref());
        let blueprint = self.blueprint(&at("blueprint"), entry);
        let identity = Identity::new(tenant?, &*entry.client_id, token_file?).at(authority?);
        let identity = match blueprint {
            Some(blueprint) => identity.agent_of(blueprint),
            None => identity,
        };
        let audience = self.defaults.audience.clone().unwrap_or(identity.audience.clone());
        let clouds = (identity.authority.cloud(), Cloud::of_audience(&audience));
        if let (Some(asked), Some(meant)) = clouds
            && asked != meant
        {
            let problem = format!(
                "it is in {asked}, and CAMBIST_AUDIENCE={audience} is what {meant} expects: take that variable away"
            );
            self.fault(at("cloud"), problem);
        }
        let identity = Identity { audience, prefetch, ..identity };
        let mut selectable = Selectable::new(&*entry.name, &*entry.client_id);
        selectable.object_id.clone_from(&entry.object_id);
        selectable.resource_id.clone_from(&entry.resource_id);
        selectable.resources = resources;
        Some((identity, selectable))
    }

    fn guid(&mut self, path: &str, text: &str) {
        if !is_guid(text) {
            self.fault(path, format!("{} is no GUID", Foreign::new(text)));
        }
    }

    fn authority(&mut self, path: &str, entry: &IdentityEntry) -> Option<Authority> {
        match (entry.cloud, &entry.authority) {
            (None, None) => Some(self.defaults.authority.clone()),
            (Some(_), Some(_)) => {
                self.fault(path, "cloud is there, too; one of them says where to ask");
                None
            }
            (Some(cloud), None) => Authority::parse(&cloud.authority(), &[]).ok(),
            (None, Some(url)) => {
                let allowed: Vec<_> =
                    self.defaults.allowed_authorities.iter().map(String::as_str).collect();
                self.parsed(path, Authority::parse(url, &allowed))
            }
        }
    }

    fn blueprint(&mut self, path: &str, entry: &IdentityEntry) -> Option<String> {
        match (entry.kind, &entry.blueprint) {
            (KindEntry::Workload, None) => {}
            (KindEntry::Workload, Some(_)) => {
                self.fault(
                    path,
                    "only an agent has a blueprint: write kind: agent, or take this away",
                );
            }
            (KindEntry::Agent, None) => {
                let path = path.replace("blueprint", "kind");
                self.fault(path, "an agent needs blueprint: its blueprint's client id");
            }
            (KindEntry::Agent, Some(id)) if id.eq_ignore_ascii_case(&entry.client_id) => {
                self.fault(path, "it is the client_id itself; an agent and its blueprint are two");
            }
            (KindEntry::Agent, Some(id)) => {
                self.guid(path, id);
                return Some(id.clone());
            }
        }
        None
    }

    fn resources(&mut self, path: &str, list: &[String]) -> Vec<Allowed> {
        if list.is_empty() {
            self.fault(
                path,
                "the list is empty, so that nothing could be had; \"*\" is everything",
            );
        }
        let entries = list.iter().enumerate();
        entries.filter_map(|(n, text)| self.parsed(&format!("{path}[{n}]"), text.parse())).collect()
    }

    fn prefetch(&mut self, path: &str, list: &[String], most: Option<&[Allowed]>) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for (n, text) in list.iter().enumerate() {
            let path = format!("{path}[{n}]");
            let Some(resource) = self.parsed(&path, Resource::parse(text)) else { continue };
            if most.is_some_and(|most| !most.iter().any(|it| it.covers(resource.key()))) {
                let resource = Foreign::new(resource.as_str());
                self.fault(
                    &path,
                    format!("nobody may have {resource}: resources does not list it"),
                );
            }
            let scope = resource.scope();
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Two that are one to Entra would have two caches.
    fn check_twins(&mut self, made: &[Option<(Identity, Selectable)>]) {
        let mut seen = HashMap::new();
        let mut ids = HashMap::new();
        for (n, (identity, selectable)) in
            made.iter().enumerate().filter_map(|(n, made)| Some((n, made.as_ref()?)))
        {
            let principal = identity.principal().to_string().to_ascii_lowercase();
            if let Some(first) = seen.insert(principal, &*selectable.name) {
                let problem = format!(
                    "it has the tenant and client id of {first}; one identity can be given to several callers"
                );
                self.fault(format!("identities[{n}].client_id"), problem);
            }
            for (field, id) in
                [("object_id", &selectable.object_id), ("resource_id", &selectable.resource_id)]
            {
                let Some(id) = id.as_ref().map(|id| id.to_ascii_lowercase()) else { continue };
                if let Some(first) = ids.insert((field, id), &*selectable.name) {
                    let problem =
                        format!("it is that of {first}, too; no two identities have the same");
                    self.fault(format!("identities[{n}].{field}"), problem);
                }
            }
        }
    }

    fn place(&mut self, name: &str, names: &[&str], path: &str) -> Option<usize> {
        let place = names.iter().position(|known| *known == name);
        if place.is_none() {
            let near = near(name, names);
            let problem = format!("there is no identity {}{near}", Foreign::new(name));
            self.fault(path, problem);
        }
        place
    }

    fn count(&mut self, path: &str, count: usize, most: usize) {
        if count == 0 {
            self.fault(path, "the list is empty");
        } else if count > most {
            self.fault(path, format!("there are {count} of them; {most} is the most"));
        }
    }

    fn names<'e>(&mut self, path: &str, names: impl Iterator<Item = &'e str>) {
        let mut seen = HashMap::new();
        for (n, name) in names.enumerate() {
            let at = format!("{path}[{n}].name");
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
                let problem = format!(
                    "{} is no name; it is 1 to {LONGEST_NAME} letters, digits, '-', '_' and '.'",
                    Foreign::new(name)
                );
                self.fault(&at, problem);
            }
            if let Some(first) = seen.insert(name, n) {
                self.fault(at, format!("{path}[{first}] is called that, too"));
            }
        }
    }
}

fn is_resource_id(text: &str) -> bool {
    text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("/subscriptions/"))
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.len() <= 2048
}
