//! Which doors a policy opens, and to whom.

use cambist::config::ConfigFault;
use cambist::identities::{Identities, KnownBy};

use super::policy::{CONFIG, PolicySource, SECRET};
use crate::request::Protocol;

impl PolicySource {
    /// Something must be open.
    pub(super) fn check_doors(&self, identities: &Identities) -> Option<ConfigFault> {
        let closed = self.closed(identities);
        if closed.len() < self.protocols.len() {
            return None;
        }
        let (name, problem) = if self.is_of_variables() {
            let problem = "it is not set, so no protocol is open: set it to a random text of \
                 16 characters or more, the same for the app and for the sidecar";
            (SECRET, problem)
        } else {
            let problem = "no caller of its file has a secret, so no protocol is open: give one \
                 secret_files or a secret_variable";
            (CONFIG, problem)
        };
        Some(ConfigFault::new(name, problem))
    }

    /// What is opened without a lock is worth a word, and so is what is closed without being meant to.
    pub(super) fn warnings(&self, identities: &Identities) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |warning: &str| warnings.push(warning.to_owned());
        let closed = self.closed(identities);
        if !closed.is_empty() {
            let closed: Vec<_> = closed.into_iter().map(Protocol::as_str).collect();
            let why = match self.is_of_variables() {
                true => "IDENTITY_HEADER is not set",
                false => "no caller has a secret",
            };
            warn(&format!("{} stay closed: {why}", closed.join(" and ")));
        }
        let anonymous = identities.known_by.contains(&KnownBy::Nothing);
        match (self.protocols.contains(&Protocol::Imds), anonymous) {
            (true, true) => warn(
                "imds is open, which asks for \"Metadata: true\" and for no secret: \
                 whatever can make the app send that header gets its tokens",
            ),
            (true, false) => warn(
                "imds is open, but no caller is anonymous, so that nobody gets a token by it: \
                 give one anonymous: true, or take imds out of CAMBIST_PROTOCOLS",
            ),
            (false, true) => warn(
                "a caller is anonymous, but imds is not open, so that nobody is: list imds in \
                 CAMBIST_PROTOCOLS, or take the caller away",
            ),
            (false, false) => {}
        }
        warnings.extend(identities.warnings.iter().cloned());
        if !self.is_of_variables() {
            warnings.extend(self.idle(identities));
        }
        warnings
    }

    fn closed(&self, identities: &Identities) -> Vec<Protocol> {
        let secrets = identities.have_secrets();
        self.protocols.iter().copied().filter(|p| p.needs_secret() && !secrets).collect()
    }

    /// What is set, and a file says nothing of.
    fn idle(&self, identities: &Identities) -> Vec<String> {
        let mut warnings = Vec::new();
        let by_variable = |it: &KnownBy| *it == KnownBy::Variable(SECRET.to_owned());
        if self.variables.contains_key(SECRET) && !identities.known_by.iter().any(by_variable) {
            warnings.push(format!(
                "{SECRET} is set, and nobody is known by it: a caller of {CONFIG}'s file is by \
                 secret_variable: {SECRET}"
            ));
        }
        let Some(client_id) = &self.client_id else { return warnings };
        if !identities.identities.iter().any(|it| it.client_id.eq_ignore_ascii_case(client_id)) {
            warnings.push(format!(
                "AZURE_CLIENT_ID is {client_id:?}, which no identity of {CONFIG}'s file has: it is not used"
            ));
        }
        warnings
    }
}
