//! What the names in a file mean: identities, callers and a policy of them; or all that does not go together.

use std::collections::HashMap;
use std::path::Path;

use cambist_core::foreign::Foreign;
use cambist_core::names::is_guid;
use cambist_core::policy::{Caller, Identity as Selectable, Mode, Policy};
use cambist_core::scope::{Allowed, Resource, Scope};

use super::check::{FileErrors, FileFault, near};
use super::{CallerEntry, CloudEntry, IdentityEntry, KindEntry, PolicyFile, PolicyMode};
use crate::config::{Defaults, Identity};
use crate::exchange::{Authority, Cloud, TenantId};
use crate::identities::{Identities, KnownBy, MOST_CALLERS, MOST_IDENTITIES};

/// What a variable with a header secret is called, or begins with: no other is ever sent as one by mistake.
const SECRET_VARIABLE: &str = "IDENTITY_HEADER";

/// Longest name of an identity or a caller: they are labels of metrics and fields of log lines.
const LONGEST_NAME: usize = 63;

impl PolicyFile {
    /// Finds out what the names in it mean.
    ///
    /// # Errors
    /// All that does not go together, at once, each with its path in the file.
    pub fn resolve(&self, defaults: &Defaults) -> Result<Identities, FileErrors> {
        let mut resolve = Resolve { defaults, faults: Vec::new(), warnings: Vec::new() };
        let identities = resolve.identities(&self.identities);
        let names: Vec<_> = self.identities.iter().map(|it| &*it.name).collect();
        let (callers, known_by) = resolve.callers(&self.callers, &names);
        let default = self.default.as_ref().and_then(|name| resolve.place(name, &names, "default"));
        resolve.check_use(self, default);
        FileErrors::of(resolve.faults)?;
        let (identities, selectable): (Vec<_>, Vec<_>) = identities.into_iter().flatten().unzip();
        resolve.warnings.extend(out_of_reach(self, &identities, &selectable));
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
        made.warnings = resolve.warnings;
        Ok(made)
    }
}

struct Resolve<'a> {
    defaults: &'a Defaults,
    faults: Vec<FileFault>,
    warnings: Vec<String>,
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
            (Some(cloud), None) => Authority::parse(&Cloud::from(cloud).authority(), &[]).ok(),
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

    fn callers(&mut self, entries: &[CallerEntry], names: &[&str]) -> (Vec<Caller>, Vec<KnownBy>) {
        self.count("callers", entries.len(), MOST_CALLERS);
        self.names("callers", entries.iter().map(|it| &*it.name));
        let mut ways = HashMap::new();
        let mut made = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let known_by = self.known_by(n, entry, &mut ways);
            let mut caller = match entry.anonymous {
                true => Caller::anonymous(&*entry.name),
                false => Caller::new(&*entry.name),
            };
            for (m, right) in entry.may.iter().enumerate() {
                let at = format!("callers[{n}].may[{m}]");
                let resources = self.resources(&format!("{at}.resources"), &right.resources);
                if let Some(place) = self.place(&right.identity, names, &format!("{at}.identity")) {
                    caller = caller.may(place, resources);
                }
            }
            if entry.may.is_empty() {
                self.warnings.push(format!("the caller {} may have nothing", entry.name));
            }
            made.push((caller, known_by));
        }
        made.into_iter().unzip()
    }

    fn known_by<'e>(
        &mut self,
        n: usize,
        entry: &'e CallerEntry,
        ways: &mut HashMap<Way<'e>, &'e str>,
    ) -> KnownBy {
        let at = format!("callers[{n}]");
        let mut own = Vec::new();
        for (m, path) in entry.secret_files.iter().enumerate() {
            own.push((Way::File(path), format!("{at}.secret_files[{m}]")));
        }
        if let Some(name) = &entry.secret_variable {
            let path = format!("{at}.secret_variable");
            if !name.starts_with(SECRET_VARIABLE) {
                let problem = format!(
                    "{} does not begin with {SECRET_VARIABLE}, as it has to",
                    Foreign::new(&**name)
                );
                self.fault(&*path, problem);
            }
            own.push((Way::Variable(name), path));
        }
        if entry.anonymous {
            own.push((Way::Nothing, format!("{at}.anonymous")));
        }
        for (way, path) in own {
            if let Some(first) = ways.insert(way, &entry.name) {
                let problem = match first == entry.name {
                    true => "it is there twice".to_owned(),
                    false => format!("{first} is known by that; each caller needs its own"),
                };
                self.fault(path, problem);
            }
        }
        match (&*entry.secret_files, &entry.secret_variable, entry.anonymous) {
            ([_] | [_, _], None, false) => KnownBy::Files(entry.secret_files.clone()),
            ([], Some(name), false) => KnownBy::Variable(name.clone()),
            ([], None, true) => KnownBy::Nothing,
            ([], None, false) => {
                let problem = "nothing says how it is known: secret_files, secret_variable, or anonymous: true";
                self.fault(&*at, problem);
                KnownBy::Nothing
            }
            ([_, _, _, ..], None, false) => {
                let problem = "two secrets are enough for one to replace the other";
                self.fault(format!("{at}.secret_files[2]"), problem);
                KnownBy::Nothing
            }
            _ => {
                let problem = "it is known in more than one way; keep one of secret_files, secret_variable and anonymous";
                self.fault(&*at, problem);
                KnownBy::Nothing
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

    /// What is allowed and hardly meant.
    fn check_use(&mut self, file: &PolicyFile, default: Option<usize>) {
        for (n, entry) in file.identities.iter().enumerate() {
            let mut rights = file.callers.iter().flat_map(|caller| &caller.may);
            if !rights.any(|right| right.identity == entry.name) {
                let what = if default == Some(n) { "default" } else { "identity" };
                self.warnings.push(format!("no caller may have the {what} {}", entry.name));
            }
        }
        if file.mode == PolicyMode::Audit {
            let warning =
                "mode is audit: what the policy does not allow is answered all the same, and told";
            self.warnings.push(warning.to_owned());
        }
    }
}

/// What is listed, and what nobody gets all the same.
fn out_of_reach(
    file: &PolicyFile,
    identities: &[Identity],
    selectable: &[Selectable],
) -> Vec<String> {
    let mut warnings = Vec::new();
    let rights =
        file.callers.iter().flat_map(|caller| caller.may.iter().map(move |it| (caller, it)));
    let covers = |list: &[String], resource: &str| {
        let entries = list.iter().filter_map(|text| text.parse::<Allowed>().ok());
        entries.into_iter().any(|entry| entry.covers(resource))
    };
    for (caller, right) in rights.clone() {
        let Some(identity) = file.identities.iter().find(|it| it.name == right.identity) else {
            continue;
        };
        let Some(most) = &identity.resources else { continue };
        for resource in right.resources.iter().filter(|it| !it.contains('*')) {
            if !covers(most, resource) {
                warnings.push(format!(
                    "the caller {} gets no token of {} for {resource}: the identity's own resources do not list it",
                    caller.name, identity.name
                ));
            }
        }
    }
    for (identity, known) in identities.iter().zip(selectable) {
        for resource in identity.prefetch.iter().map(Scope::resource) {
            let mut of_it = rights.clone().filter(|(_, right)| right.identity == known.name);
            if !of_it.any(|(_, right)| covers(&right.resources, resource)) {
                warnings.push(format!(
                    "no caller may have what is prefetched of {}: {resource}",
                    known.name
                ));
            }
        }
    }
    warnings
}

/// One way to know a caller.
#[derive(PartialEq, Eq, Hash)]
enum Way<'e> {
    File(&'e Path),
    Variable(&'e str),
    Nothing,
}

fn is_resource_id(text: &str) -> bool {
    text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("/subscriptions/"))
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.len() <= 2048
}

impl From<CloudEntry> for Cloud {
    fn from(entry: CloudEntry) -> Self {
        match entry {
            CloudEntry::Public => Self::Public,
            CloudEntry::UsGov => Self::UsGov,
            CloudEntry::China => Self::China,
            CloudEntry::UsNat => Self::UsNat,
            CloudEntry::UsSec => Self::UsSec,
            CloudEntry::France => Self::France,
            CloudEntry::Germany => Self::Germany,
            CloudEntry::Singapore => Self::Singapore,
        }
    }
}
