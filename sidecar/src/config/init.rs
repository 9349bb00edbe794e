//! A file of identities to begin with: what the variables of today say, and what else could be there.

use std::fmt::Write as _;

use cambist::Env;
use cambist::policy_file::SCHEMA_URL;
use cambist_core::names::is_guid;

use super::made::MAKE_SECRET;
use super::policy::{SECRET, SECRET_FILE};
use super::{parts, protocols};
use crate::request::Protocol;

const TEMPLATE: &str = include_str!("init.yaml");

const PAGE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/identities.md");

const PREFETCH: &str = "CAMBIST_PREFETCH";
const OBJECT_ID: &str = "CAMBIST_OBJECT_ID";
const RESOURCE_ID: &str = "CAMBIST_RESOURCE_ID";

/// What is said only once: by a variable, or by the file.
const INSTEAD: [&str; 4] = [SECRET_FILE, PREFETCH, OBJECT_ID, RESOURCE_ID];

/// A file to begin with.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What stands in it; never a secret.
    pub(crate) text: String,
    /// What is to be done with it.
    pub(crate) notes: Vec<String>,
}

/// Writes down what these variables say, as a file of one identity. Where one is missing that is needed, a placeholder
/// stands for it, which the sidecar refuses.
pub(crate) fn draft(env: &dyn Env) -> Draft {
    let mut draft = Drafting { env, missing: Vec::new() };
    let values = [
        ("@schema", SCHEMA_URL.to_owned()),
        ("@page", PAGE.to_owned()),
        ("@tenant", draft.needed("AZURE_TENANT_ID", "<tenant id>")),
        ("@client_id", draft.needed("AZURE_CLIENT_ID", "<client id>")),
        ("@object_id", draft.key("object_id", OBJECT_ID, "00000000-0000-0000-0000-000000000000")),
        ("@resource_id", draft.key("resource_id", RESOURCE_ID, RESOURCE_ID_FORM)),
        ("@authority", draft.key("authority", "AZURE_AUTHORITY_HOST", AUTHORITY)),
        ("@token_file", draft.key("token_file", "AZURE_FEDERATED_TOKEN_FILE", TOKEN_FILE)),
        ("@prefetch", draft.prefetch()),
        ("@app", draft.app()),
        ("@anonymous", draft.anonymous()),
    ];
    // Line by line, so that nothing is looked for in what a variable says.
    let mut text = String::new();
    for line in TEMPLATE.lines() {
        let found = values.iter().find_map(|(mark, value)| Some((line.find(mark)?, mark, value)));
        let _ = match found {
            Some((at, mark, value)) => {
                writeln!(text, "{}{value}{}", &line[..at], &line[at + mark.len()..])
            }
            None => writeln!(text, "{line}"),
        };
    }
    let notes = draft.notes();
    Draft { text, notes }
}

const RESOURCE_ID_FORM: &str = "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME";
const AUTHORITY: &str = "https://login.microsoftonline.com/";
const TOKEN_FILE: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// What a caller of variables may have: everything of the one identity.
const MAY: &str = "may: [{identity: identity, resources: [\"*\"]}]";

struct Drafting<'a> {
    env: &'a dyn Env,
    missing: Vec<&'static str>,
}

impl Drafting<'_> {
    fn said(&self, name: &str) -> Option<String> {
        self.env.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// What a variable says, or a placeholder.
    fn needed(&mut self, name: &'static str, placeholder: &str) -> String {
        let said = self.said(name).unwrap_or_else(|| {
            self.missing.push(name);
            placeholder.to_owned()
        });
        scalar(&said)
    }

    /// A key with what a variable says, or with an example, commented out.
    fn key(&self, key: &str, name: &str, example: &str) -> String {
        match self.said(name) {
            Some(said) => format!("{key}: {}", scalar(&said)),
            None => format!("#{key}: {}", scalar(example)),
        }
    }

    fn prefetch(&self) -> String {
        match self.said(PREFETCH) {
            Some(said) => format!("prefetch: [{}]", list(parts(&said))),
            None => "#prefetch: [\"https://vault.azure.net\"]".to_owned(),
        }
    }

    /// Whether whoever comes may have tokens.
    fn is_open(&self) -> bool {
        let said = self.env.get("CAMBIST_PROTOCOLS");
        said.is_some_and(|it| protocols(&it).is_ok_and(|open| open.contains(&Protocol::Imds)))
    }

    /// The app that knows the header secret.
    fn app(&mut self) -> String {
        // One that is made at the start is read as if it were the variable's.
        let by_variable = self.said(SECRET).or_else(|| self.said(MAKE_SECRET));
        let by_variable = by_variable.map(|_| format!("secret_variable: {SECRET}"));
        let by_file = self.said(SECRET_FILE);
        let by_file = by_file.map(|path| format!("secret_files: [{}]", scalar(&path)));
        let known_by = match by_file.or(by_variable) {
            Some(known_by) => known_by,
            None if self.is_open() => {
                return "# An app known by its secret, which its container has in IDENTITY_HEADER. Two files while one \
                        replaces the other.\n  \
                        #- {name: app, secret_files: [/var/run/secrets/cambist/app], may: []}\n  \
                        # Or by the secret in a variable of the sidecar: IDENTITY_HEADER, or one that begins so.\n  \
                        #- {name: job, secret_variable: IDENTITY_HEADER_JOB, may: []}"
                    .to_owned();
            }
            None => {
                self.missing.push(SECRET_FILE);
                "secret_files: [\"<file with the app's secret>\"]".to_owned()
            }
        };
        let other = match known_by.starts_with("secret_files") {
            true => "#secret_variable: IDENTITY_HEADER_APP",
            false => "#secret_files: [/var/run/secrets/cambist/app]",
        };
        format!(
            "- name: app
    # What it is known by, as each container of the pod should be by its own: the secret that it has in IDENTITY_HEADER.
    # Here it is in a file, or in two while one replaces the other (secret_files), or in a variable of the sidecar, which
    # is IDENTITY_HEADER or begins so (secret_variable).
    {known_by}
    {other}
    # Resources by name, by pattern as in \"https://*.blob.core.windows.net\", or \"*\" for everything.
    {MAY}"
        )
    }

    /// Whoever comes.
    fn anonymous(&self) -> String {
        let why = "# Whoever shows no secret, which is how imds is asked. CAMBIST_PROTOCOLS has to list that, too.";
        if self.is_open() {
            return format!("{why}\n  - {{name: anonymous, anonymous: true, {MAY}}}");
        }
        let may = MAY.replace('*', "https://monitor.azure.com");
        format!("{why}\n  #- {{name: anonymous, anonymous: true, {may}}}")
    }

    fn notes(self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.missing.is_empty() {
            let missing = self.missing.join(", ");
            notes.push(format!(
                "fill in what stands in <...>, because these are not set: {missing}"
            ));
        }
        if self.said(SECRET).is_some() && self.said(SECRET_FILE).is_some() {
            notes.push(format!(
                "{SECRET} and {SECRET_FILE} are both set; the app is known by the second"
            ));
        }
        let instead: Vec<_> =
            INSTEAD.into_iter().filter(|name| self.said(name).is_some()).collect();
        if !instead.is_empty() {
            let instead = instead.join(", ");
            notes.push(format!(
                "where CAMBIST_CONFIG names the file, unset what it says now: {instead}"
            ));
        }
        notes
    }
}

fn list<'t>(items: impl Iterator<Item = &'t str>) -> String {
    items.map(scalar).collect::<Vec<_>>().join(", ")
}

/// A text as YAML has it, in quotes unless nobody could take it for anything else.
fn scalar(text: &str) -> String {
    let path = text.starts_with('/')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'));
    // JSON's strings are YAML's, too.
    if path || is_guid(text) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests;
