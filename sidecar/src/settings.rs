//! Flags and variables: one table, from which parsing, `--help` and `docs/configuration.md` are made.

use std::collections::BTreeMap;

use cambist::Env;
use cambist::config::{ConfigErrors, ConfigFault, RENAMED, Variable};
use cambist::identities::SECRET_VARIABLE;
use cambist_core::secret::Secret;
use clap::ArgMatches;

use crate::config::{MAKE_SECRET, SECRET_FILE, made_secret};
use crate::listener::{CERT_FILE, KEY_FILE};

mod command;
#[cfg(test)]
mod page;

pub use command::command;

/// The variables that the sidecar reads beside the library's.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "CAMBIST_LISTEN",
        "ADDRESS",
        "8421",
        "Where apps ask: a port (both loopback addresses), 127.0.0.1:PORT or [::1]:PORT",
    ),
    Variable::new(
        "CAMBIST_ADMIN_LISTEN",
        "ADDRESS",
        "127.0.0.1:8422",
        "Where probes and scrapers ask: a port, IP:PORT, or off; no token is served there",
    ),
    Variable::new(
        "CAMBIST_ADMIN_HOSTS",
        "NAME,...",
        "none",
        "Host names that it may be asked by beside its address, comma-separated, as NAME or NAME:PORT",
    ),
    Variable::new(
        CERT_FILE,
        "FILE",
        "none",
        "A certificate for that listener, in PEM, which then speaks TLS alone; read again when it changes",
    ),
    Variable::new(KEY_FILE, "FILE", "none", "The key of that certificate, in PEM"),
    Variable::new(
        "CAMBIST_ADMIN_STATUS",
        "WHO",
        "loopback",
        "Who may read /status and /status.json there: loopback (the pod itself) or any (whoever reaches it)",
    ),
    Variable::new(
        "CAMBIST_PROTOCOLS",
        "PROTOCOL,...",
        "app-service,native",
        "What is open: app-service, native, imds (imds asks for no secret)",
    ),
    Variable::new(
        "IDENTITY_HEADER",
        "SECRET",
        "none",
        "The secret that apps send as X-IDENTITY-HEADER: 16 to 256 visible ASCII characters",
    ),
    Variable::new(
        "CAMBIST_IDENTITY_HEADER_FILE",
        "FILE",
        "none",
        "A file with that secret, instead of IDENTITY_HEADER",
    ),
    Variable::new(
        MAKE_SECRET,
        "FILE",
        "none",
        "Where to make such a secret at the first start, for containers that read it by fileKeyRef, instead of IDENTITY_HEADER",
    ),
    Variable::new(
        "CAMBIST_PREFETCH",
        "SCOPE,...",
        "none",
        "Resources or scopes whose tokens are held from the start, comma-separated",
    ),
    Variable::new(
        "CAMBIST_CONFIG",
        "FILE",
        "none",
        "A file of several identities, and of who may have their tokens; read again when it changes",
    ),
    Variable::new(
        "CAMBIST_OBJECT_ID",
        "ID",
        "none",
        "The identity's object id, for apps that select it by that",
    ),
    Variable::new(
        "CAMBIST_RESOURCE_ID",
        "ID",
        "none",
        "The identity's Azure resource id, for apps that select it by that",
    ),
    Variable::new(
        "CAMBIST_SOURCE",
        "SOURCE",
        "federated",
        "federated (the projected token) or developer (your own sign-in, on a laptop)",
    ),
    Variable::new(
        "CAMBIST_CONFINE",
        "HOW",
        "auto",
        "Whether all that is not needed is given up at the start: auto (what the kernel can take), require or off",
    ),
    Variable::new(
        "CAMBIST_AUDIT",
        "PLACE",
        "stdout",
        "Where the audit trail goes: stdout, a file or FIFO (/PATH, appended to), or off, which leaves it to the log",
    ),
    Variable::new(
        "CAMBIST_LOG",
        "FILTER",
        "info",
        "What is logged: a level, or TARGET=LEVEL,...; other crates never below warn",
    ),
    Variable::new(
        "CAMBIST_LOG_FORMAT",
        "FORMAT",
        "auto",
        "How the log looks: text (a readable line for each event), json, or auto: text on a terminal, json elsewhere",
    ),
    Variable::new(
        "CAMBIST_POD_IP",
        "IP",
        "none",
        "The pod's address (status.podIP), to find out about hostNetwork",
    ),
    Variable::new(
        "CAMBIST_HOST_IP",
        "IP",
        "none",
        "The node's address (status.hostIP): its probes have places kept; and to find out about hostNetwork",
    ),
    Variable::new(
        "CAMBIST_ALLOW_HOST_NETWORK",
        "BOOL",
        "false",
        "Whether to run with hostNetwork, where every process of the node can ask",
    ),
];

/// All variables: the library's, then the sidecar's.
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    cambist::config::VARIABLES.iter().chain(VARIABLES)
}

/// The flag for a variable: `CAMBIST_LISTEN` is `--listen`, `AZURE_TENANT_ID` is
/// `--azure-tenant-id`.
///
/// None for what is not cambist's own to name, and for the header secret: flags can be read by
/// every process of the machine.
pub fn flag(variable: &str) -> Option<String> {
    let name = match variable.strip_prefix("CAMBIST_") {
        Some(own) => own,
        None if variable.starts_with("AZURE_") => variable,
        None => return None,
    };
    Some(name.to_ascii_lowercase().replace('_', "-"))
}

/// The settings of one run: flags over variables.
pub struct Settings<'a> {
    flags: BTreeMap<&'static str, String>,
    env: &'a dyn Env,
    /// A header secret that was made here; it is read as if it were the variable's.
    made: Option<Secret>,
}

/// Names alone: some of the texts are secrets.
impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = variables().map(|v| v.name).filter(|n| self.get(n).is_some()).collect();
        f.debug_struct("Settings").field("set", &names).finish_non_exhaustive()
    }
}

impl<'a> Settings<'a> {
    /// What the command line and the environment say.
    pub fn new(matches: &ArgMatches, env: &'a dyn Env) -> Self {
        let given = variables()
            .filter(|v| flag(v.name).is_some())
            .filter_map(|v| Some((v.name, matches.get_one::<String>(v.name)?.clone())));
        Self { flags: given.collect(), env, made: None }
    }

    /// What the environment alone says.
    pub fn of_env(env: &'a dyn Env) -> Self {
        Self { flags: BTreeMap::new(), env, made: None }
    }

    /// Makes the header secret where that is asked for, or takes up the one that was made there before. One that
    /// must not be kept is written nowhere.
    ///
    /// # Errors
    /// If there is another secret, or the file is of no use.
    pub(crate) fn make_secret(&mut self, keep: bool) -> Result<(), ConfigErrors> {
        let Some(path) = self.get(MAKE_SECRET) else { return Ok(()) };
        let other =
            [SECRET_VARIABLE, SECRET_FILE].into_iter().find(|name| self.get(name).is_some());
        let made = match other {
            Some(other) => Err(format!("{other} is set, too; set one of them")),
            None => made_secret(path.as_ref(), keep).map_err(|problem| format!("{path} {problem}")),
        };
        match made {
            Ok(secret) => {
                self.made = Some(secret);
                Ok(())
            }
            Err(problem) => Err(self.locate(vec![ConfigFault::new(MAKE_SECRET, problem)])),
        }
    }

    /// The faults, each under the name it was given by.
    pub(crate) fn locate(&self, faults: Vec<ConfigFault>) -> ConfigErrors {
        let located = faults.into_iter().map(|fault| {
            let by_flag = self.flags.contains_key(&*fault.name).then(|| flag(&fault.name));
            match by_flag.flatten() {
                Some(flag) => ConfigFault::new(format!("--{flag}"), fault.problem),
                None => fault,
            }
        });
        ConfigErrors::new(located.collect())
    }
}

impl Env for Settings<'_> {
    fn get(&self, name: &str) -> Option<String> {
        match &self.made {
            Some(secret) if name == SECRET_VARIABLE => Some(secret.expose().to_owned()),
            _ => self.flags.get(name).cloned().or_else(|| self.env.get(name)),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.env.names();
        names.extend(self.made.iter().map(|_| SECRET_VARIABLE.to_owned()));
        names
    }
}

/// A fault for each `CAMBIST_*` variable that nobody reads: most likely a misspelt one.
pub(crate) fn unknown(env: &dyn Env) -> Vec<ConfigFault> {
    let known: Vec<_> = variables().map(|v| v.name).collect();
    // For an old name the library tells the new one.
    let was_known = |name: &String| RENAMED.iter().any(|(old, _)| old == name);
    let mut strange = env.names();
    strange.retain(|name| {
        name.starts_with("CAMBIST_")
            && !known.contains(&name.as_str())
            && !was_known(name)
            && !of_a_service(name)
    });
    strange.sort();
    let faults = strange.into_iter().map(|name| {
        let nearest = known
            .iter()
            .filter_map(|known| Some((known.strip_prefix("CAMBIST_")?, known)))
            .map(|(own, known)| (strsim::jaro_winkler(own, &name["CAMBIST_".len()..]), known))
            .filter(|(likeness, _)| *likeness > 0.85)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let problem = match nearest {
            Some((_, known)) => format!("there is no such variable; did you mean {known}?"),
            None => "there is no such variable; --help lists those there are".to_owned(),
        };
        ConfigFault::new(name, problem)
    });
    faults.collect()
}

/// Whether Kubernetes made this name: it describes every Service of the namespace to every pod, so
/// one that is called `cambist` or `cambist-admin` must not stop the sidecar.
fn of_a_service(name: &str) -> bool {
    let port_of = |tail: &str| {
        let mut parts = tail.split('_');
        let number = parts.next().is_some_and(|n| n.parse::<u16>().is_ok());
        let protocol = parts.next().is_some_and(|p| matches!(p, "TCP" | "UDP" | "SCTP"));
        let what = parts.next().is_none_or(|w| matches!(w, "ADDR" | "PORT" | "PROTO"));
        number && protocol && what && parts.next().is_none()
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || name.match_indices("_PORT_").any(|(at, found)| port_of(&name[at + found.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect()
    }

    #[test]
    fn the_command_line_is_sound_and_knows_every_variable() {
        let mut command = command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        let old = command.try_get_matches_from_mut(["cambist-sidecar", "--ledger", "/l"]);
        assert!(old.unwrap_err().to_string().contains("--history now"));
        for variable in variables() {
            assert!(help.contains(variable.name), "{}", variable.name);
        }
        let alone = help.split_once("Read from the environment alone: ").unwrap().1;
        for name in ["IDENTITY_HEADER", "HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            assert!(alone.contains(name), "{name}: {alone}");
        }
        for (flag, value) in [
            ("issuer", "URL"),
            ("history", "FILE"),
            ("rotate-after", "DURATION"),
            ("keys", "SOURCE,..."),
        ] {
            assert!(help.contains(&format!("--{flag} <{value}>")), "{help}");
        }
        assert!(!help.contains("TEXT"), "a name says what a value is: {help}");
        assert_eq!(flag("IDENTITY_HEADER"), None);
        assert_eq!(flag("HTTPS_PROXY"), None);
    }

    /// What is logged of a finding names no flag that only the command has.
    #[test]
    fn remedies_name_flags_that_the_sidecar_has_or_whose_program_they_name() {
        use cambist_key_age::{CheckId, Platform};
        let own: Vec<_> = variables().filter_map(|variable| flag(variable.name)).collect();
        // Of az, azwi and kubectl, whose commands are given whole.
        let others = ["extension-type", "path", "public-keys", "raw"];
        for id in CheckId::ALL {
            for platform in Platform::ALL {
                let text = id.remediation(platform);
                // A command between backticks says itself whose its flags are.
                let bare = text.split('`').step_by(2);
                for word in bare.flat_map(|part| part.split("--").skip(1)) {
                    let end = word.find(|c: char| c != '-' && !c.is_ascii_alphanumeric());
                    let name = &word[..end.unwrap_or(word.len())];
                    assert!(
                        name.starts_with("service-account-")
                            || others.contains(&name)
                            || own.iter().any(|own| own == name),
                        "{id}: --{name} in {text}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_flag_goes_before_its_variable_and_the_fault_says_which() {
        let env = env(&[("CAMBIST_LISTEN", "1"), ("CAMBIST_LOG", "debug")]);
        let matches = command().get_matches_from(["cambist-sidecar", "--listen", "2"]);
        let settings = Settings::new(&matches, &env);
        assert_eq!(settings.get("CAMBIST_LISTEN").as_deref(), Some("2"));
        assert_eq!(settings.get("CAMBIST_LOG").as_deref(), Some("debug"));
        let fault = |name: &'static str| ConfigFault::new(name, "bad");
        let located = settings.locate(vec![fault("CAMBIST_LISTEN"), fault("CAMBIST_LOG")]);
        assert_eq!(located.to_string(), "--listen: bad\nCAMBIST_LOG: bad");
    }

    #[test]
    fn misspelt_variables_are_found_and_those_of_services_left_alone() {
        let env = env(&[
            ("CAMBIST_ISUER", "x"),
            ("CAMBIST_QQQ", "x"),
            ("CAMBIST_LISTEN", "x"),
            ("PATH", "x"),
            ("CAMBIST_SERVICE_HOST", "10.0.0.1"),
            ("CAMBIST_SERVICE_PORT", "80"),
            ("CAMBIST_ADMIN_SERVICE_PORT_HTTP", "80"),
            ("CAMBIST_PORT", "tcp://10.0.0.1:80"),
            ("CAMBIST_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("CAMBIST_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("CAMBIST_ADMIN_PORT_8422_TCP_PROTO", "tcp"),
        ]);
        let faults = unknown(&env);
        let names: Vec<_> = faults.iter().map(|f| &*f.name).collect();
        assert_eq!(names, ["CAMBIST_ISUER", "CAMBIST_QQQ"]);
        assert!(faults[0].problem.contains("CAMBIST_ISSUER"), "{}", faults[0].problem);
    }
}
