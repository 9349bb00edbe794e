//! Who may have whose tokens: from variables, or from a file; and the secrets that callers are known by.
//!
//! All of it can be read again while the sidecar runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cambist::config::{ConfigFault, Defaults};
use cambist::files::read_in_time;
use cambist::identities::{Caller, Identities, KnownBy, SECRET_VARIABLE};
use cambist::{Env, policy_file};
use cambist_core::secret::Secret;
use zeroize::Zeroizing;

use super::cloud::of_another_cloud;
use crate::access::Proof;
use crate::confine::Granted;
use crate::request::Protocol;

/// The variable that names the file.
pub(super) const CONFIG: &str = "CAMBIST_CONFIG";
/// Where a secret is, for identities of variables.
pub(crate) const SECRET_FILE: &str = "CAMBIST_IDENTITY_HEADER_FILE";
/// The variables with secrets are called or begin like this.
pub(super) const SECRET: &str = SECRET_VARIABLE;

/// The header secret's least length: as many characters as 64 random bits have in hexadecimal.
const MIN_SECRET: usize = 16;
/// The header secret's greatest length: a header line must have room for it.
const MAX_SECRET: usize = 256;
/// The longest file with it that is read, in bytes.
const MAX_SECRET_FILE: usize = 4096;
/// The longest file of identities that is read, in bytes: a thousand of them have a third of that.
const MAX_FILE: usize = 1024 * 1024;

/// Where identities, callers and their secrets are from.
#[derive(Clone, Debug)]
pub struct PolicySource {
    from: From,
    /// How apps may ask.
    pub(super) protocols: Vec<Protocol>,
    /// Secrets in variables, which do not change.
    pub(super) variables: BTreeMap<String, Secret>,
    /// The webhook's, which a file need not name.
    pub(super) client_id: Option<String>,
    /// What this process may read, if that is not everything.
    granted: Option<Arc<Granted>>,
}

#[derive(Clone, Debug)]
enum From {
    Variables(Arc<Identities>),
    File(PathBuf, Box<Defaults>),
}

/// A file's text. Every look makes copies of what was read, so they share it.
type Text = Arc<Zeroizing<Vec<u8>>>;

/// What was read at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policied {
    /// The identities and who may have their tokens.
    pub identities: Arc<Identities>,
    /// What each caller is known by.
    pub proofs: Vec<Proof>,
    /// What is allowed and still worth a warning.
    pub warnings: Vec<String>,
    /// The text that the identities were made of.
    text: Text,
}

/// What was read before: it spares to make the same of the same text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before<'a> {
    pub(crate) good: Option<&'a Policied>,
    pub(crate) bad: Option<&'a Unusable>,
}

/// What was read and is no good.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    pub(crate) faults: Vec<ConfigFault>,
    /// The file's text, if it is that.
    text: Option<Text>,
}

impl std::convert::From<Vec<ConfigFault>> for Unusable {
    fn from(faults: Vec<ConfigFault>) -> Self {
        Self { faults, text: None }
    }
}

impl Unusable {
    /// Whether the same is wrong.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.faults == other.faults
    }
}

impl Policied {
    /// Whether there is no difference.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.identities == other.identities
            && self.proofs.len() == other.proofs.len()
            && self.proofs.iter().zip(&other.proofs).all(|(one, other)| one.is_same(other))
    }
}

impl PolicySource {
    /// One identity, as variables describe it.
    pub(super) fn of_variables(
        identities: Identities,
        protocols: Vec<Protocol>,
        env: &dyn Env,
    ) -> Self {
        Self::new(From::Variables(Arc::new(identities)), protocols, env)
    }

    /// A file of several, each with what it does not say itself by these defaults.
    pub(super) fn of_file(
        path: PathBuf,
        defaults: Defaults,
        protocols: Vec<Protocol>,
        env: &dyn Env,
    ) -> Self {
        Self::new(From::File(path, Box::new(defaults)), protocols, env)
    }

    fn new(from: From, protocols: Vec<Protocol>, env: &dyn Env) -> Self {
        let names = env.names().into_iter().filter(|name| name.starts_with(SECRET));
        let secrets = names.filter_map(|name| Some((name.clone(), Secret::new(env.get(&name)?))));
        let variables = secrets.collect();
        let client_id = env.get("AZURE_CLIENT_ID");
        Self { from, protocols, variables, client_id, granted: None }
    }

    /// From now on no other file can be read.
    pub(crate) fn keep_to(&mut self, granted: Option<&Arc<Granted>>) {
        self.granted = granted.cloned();
    }

    /// The authorities that its identities may have, beside those that need no allowance.
    pub(crate) fn allowed_authorities(&self) -> &[String] {
        match &self.from {
            From::Variables(_) => &[],
            From::File(_, defaults) => &defaults.allowed_authorities,
        }
    }

    /// How apps may ask.
    pub fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    /// Whether it is of variables, whose names then say more than those in a policy.
    pub fn is_of_variables(&self) -> bool {
        matches!(self.from, From::Variables(_))
    }

    /// The file, if it is of one.
    pub fn file(&self) -> Option<&Path> {
        match &self.from {
            From::Variables(_) => None,
            From::File(path, _) => Some(path),
        }
    }

    /// Whether anything that it is read from may change.
    pub(crate) fn may_change(&self) -> bool {
        match &self.from {
            From::Variables(one) => one.known_by.iter().any(|it| matches!(it, KnownBy::Files(_))),
            From::File(..) => true,
        }
    }

    /// Reads it: blocks its caller for some seconds at most. What was read before spares it to make the same
    /// of the same text.
    ///
    /// # Errors
    /// All that is wrong with the file, or then with the secrets.
    pub(crate) fn read(&self, before: Before<'_>) -> Result<Policied, Unusable> {
        let (identities, text) = self.identities(before)?;
        let lacking = self.granted.as_ref().map(|it| it.lacking(CONFIG, &identities));
        if let Some(faults) = lacking.filter(|faults| !faults.is_empty()) {
            return Err(Unusable { faults, text: None });
        }
        let proofs = self.proofs(&identities)?;
        if let Some(fault) = self.check_doors(&identities) {
            return Err(vec![fault].into());
        }
        let mut warnings = self.warnings(&identities);
        let name = if self.is_of_variables() { "CAMBIST_PREFETCH" } else { CONFIG };
        warnings.extend(identities.identities.iter().flat_map(|it| of_another_cloud(name, it)));
        Ok(Policied { identities, proofs, warnings, text })
    }

    fn identities(&self, before: Before<'_>) -> Result<(Arc<Identities>, Text), Unusable> {
        let (path, defaults) = match &self.from {
            From::Variables(identities) => return Ok((identities.clone(), Text::default())),
            From::File(path, defaults) => (path, defaults),
        };
        let place = path.display();
        let fault = |problem: String| Unusable::from(vec![ConfigFault::new(CONFIG, problem)]);
        let text =
            read_in_time(path, MAX_FILE).map_err(|problem| fault(format!("{place} {problem}")))?;
        match before {
            Before { good: Some(good), .. } if *good.text == text => {
                return Ok((good.identities.clone(), good.text.clone()));
            }
            Before { bad: Some(bad), .. } if bad.text.as_ref().is_some_and(|it| **it == text) => {
                return Err(bad.clone());
            }
            Before { .. } => {}
        }
        let content = std::str::from_utf8(&text)
            .map_err(|_| fault(format!("{place} is not text (not UTF-8)")))?;
        match policy_file::load(content, defaults) {
            Ok(made) => Ok((Arc::new(made), Arc::new(text))),
            Err(errors) => {
                let faults = errors.faults().iter();
                let faults =
                    faults.map(|it| ConfigFault::new(CONFIG, format!("{place}: {it}"))).collect();
                Err(Unusable { faults, text: Some(Arc::new(text)) })
            }
        }
    }

    fn proofs(&self, identities: &Identities) -> Result<Vec<Proof>, Vec<ConfigFault>> {
        let (mut proofs, mut faults) = (Vec::new(), Vec::new());
        let callers = identities.policy.callers().iter().zip(&identities.known_by);
        for (caller, known_by) in callers {
            let proof = match known_by {
                KnownBy::Nothing => Ok(Proof::Anonymous),
                KnownBy::Variable(name) => self.variable(name).map(|it| Proof::Secrets(vec![it])),
                KnownBy::Files(paths) => {
                    let read = |path: &PathBuf| {
                        let secret = read_secret(path).and_then(check_secret);
                        secret.map_err(|problem| format!("{} {problem}", path.display()))
                    };
                    paths.iter().map(read).collect::<Result<_, _>>().map(Proof::Secrets)
                }
                other => Err(format!("is known in a way that this version has not: {other:?}")),
            };
            match proof {
                Ok(proof) => proofs.push(proof),
                Err(problem) => {
                    faults.push(self.fault_of(known_by, caller.name(), &problem));
                }
            }
        }
        for (n, proof) in proofs.iter().enumerate() {
            if let Some(other) = proofs.iter().take(n).position(|other| other.overlaps(proof)) {
                let name = |at: usize| identities.policy.callers().get(at).map_or("", Caller::name);
                let problem = format!(
                    "the callers {} and {} have the same secret; each needs its own",
                    name(other),
                    name(n)
                );
                faults.push(ConfigFault::new(CONFIG, problem));
            }
        }
        if faults.is_empty() { Ok(proofs) } else { Err(faults) }
    }

    fn variable(&self, name: &str) -> Result<Secret, String> {
        let secret = self.variables.get(name).cloned();
        check_secret(secret.ok_or_else(|| "is not set".to_owned())?)
    }

    fn fault_of(&self, known_by: &KnownBy, caller: &str, problem: &str) -> ConfigFault {
        match (&self.from, known_by) {
            (From::Variables(_), KnownBy::Files(_)) => ConfigFault::new(SECRET_FILE, problem),
            (From::Variables(_), _) => ConfigFault::new(SECRET, format!("it {problem}")),
            (From::File(..), KnownBy::Variable(name)) => {
                let problem = format!("the secret of the caller {caller}: {name} {problem}");
                ConfigFault::new(CONFIG, problem)
            }
            (From::File(..), _) => {
                ConfigFault::new(CONFIG, format!("the secret of the caller {caller}: {problem}"))
            }
        }
    }
}

/// The secret in a file, without the line end that editors leave.
fn read_secret(path: &Path) -> Result<Secret, String> {
    let content = read_in_time(path, MAX_SECRET_FILE).map_err(|fault| fault.to_string())?;
    let text = std::str::from_utf8(&content).map_err(|_| "is not text (not UTF-8)".to_owned())?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

fn check_secret(secret: Secret) -> Result<Secret, String> {
    let text = secret.expose();
    if text.starts_with("IDENTITY_HEADER=") {
        return Err("is one for fileKeyRef, which apps have a part of: name it in \
             CAMBIST_MAKE_HEADER_FILE alone, and the secret is that of IDENTITY_HEADER"
            .to_owned());
    }
    if text.contains(['\r', '\n']) {
        return Err("has more than one line; it is one secret alone".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be visible ASCII, without blanks: it travels in a header".to_owned());
    }
    if !(MIN_SECRET..=MAX_SECRET).contains(&text.len()) {
        return Err(format!(
            "has {} characters; {MIN_SECRET} to {MAX_SECRET} random ones are needed",
            text.len()
        ));
    }
    Ok(secret)
}
