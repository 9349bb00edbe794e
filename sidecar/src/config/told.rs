//! A configuration in words, for `--check-config`.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use cambist_core::issuer::IssuerUrl;

use cambist::config::Identity;
use cambist::identities::Identities;

use super::{Config, SignIn};
use crate::admin::StatusFor;
use crate::confine::{Granted, Needs};
use crate::request::Protocol;

mod table;

/// A configuration with what it needs.
pub(crate) struct WithNeeds<'a>(&'a Config, &'a Needs, Granted);

impl fmt::Display for WithNeeds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell(Some((self.1, &self.2)), f)
    }
}

impl fmt::Display for Config {
    /// What would run, a line each; no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(None, f)
    }
}

impl Config {
    /// What would run, and what it would not give up.
    pub(crate) fn with_needs<'a>(&'a self, needs: &'a Needs) -> WithNeeds<'a> {
        WithNeeds(self, needs, Granted::of(needs))
    }

    fn tell(&self, needs: Option<(&Needs, &Granted)>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
            let mut text = String::new();
            for item in items {
                let comma = if text.is_empty() { "" } else { ", " };
                let _ = write!(text, "{comma}{item}");
            }
            if text.is_empty() { "none".to_owned() } else { text }
        }
        let Identities { identities, policy, .. } = &*self.policied.identities;
        match &self.source {
            SignIn::Federated(trust) => {
                match self.policy.file() {
                    Some(path) => writeln!(f, "identities of    {}", path.display())?,
                    None => identities.iter().try_for_each(|only| one(f, only))?,
                }
                let unpinned = "unpinned: the token's own is believed; set CAMBIST_ISSUER";
                let issuer = trust.issuer.as_ref().map_or(unpinned, IssuerUrl::as_str);
                writeln!(f, "issuer           {issuer}")?;
                writeln!(f, "issuer keys      {}", list(&trust.keys))?;
                let ca = |file: &Option<PathBuf>| {
                    let file =
                        file.as_ref().map(|file| format!("the platform's and {}", file.display()));
                    file.unwrap_or_else(|| "the platform's".to_owned())
                };
                writeln!(f, "token proxy      {}", list(&trust.token_proxy))?;
                match trust.token_proxy.as_ref().map(|proxy| &proxy.trust) {
                    None => writeln!(f, "CAs for entra    {}", ca(&trust.entra_ca_file))?,
                    Some(trust) => writeln!(f, "CAs for it       {trust}")?,
                }
                writeln!(f, "CAs for issuer   {}", ca(&trust.issuer_ca_file))?;
                writeln!(f, "proxy            {}", list(&trust.proxy))?;
            }
            #[cfg(feature = "developer")]
            SignIn::Developer => writeln!(f, "source           a developer's own sign-in")?,
        }
        if let Some(rules) = &self.key_age {
            writeln!(f, "{rules}")?;
        }
        writeln!(f, "tokens on        {}", self.listen)?;
        writeln!(f, "protocols        {}", list(self.served().map(Protocol::as_str)))?;
        if self.policy.is_of_variables() {
            let secret = if self.policied.identities.have_secrets() { "set" } else { "none" };
            writeln!(f, "header secret    {secret}")?;
        }
        writeln!(f, "admin on         {}", list(self.admin))?;
        if let Some(files) = &self.admin_certificate {
            let (cert, key) = (files.cert.display(), files.key.display());
            writeln!(f, "admin's TLS      {cert}, key {key}")?;
        }
        if !self.admin_hosts.is_empty() {
            writeln!(f, "admin's names    {}", list(&self.admin_hosts))?;
        }
        if self.admin_status == StatusFor::Any {
            writeln!(f, "admin's status   for whoever reaches it")?;
        }
        if let (true, Some(only)) = (self.policy.is_of_variables(), identities.first()) {
            writeln!(f, "prefetched       {}", list(&only.prefetch))?;
        }
        writeln!(f, "audit trail      {}", self.audit)?;
        writeln!(f, "log              {}, as {}", self.log, self.log_format.as_str())?;
        if let Some((needs, granted)) = needs {
            writeln!(f, "\nconfined         {}\n{granted}{needs}\n", self.confine)?;
        }
        writeln!(f, "policy           {}", policy.mode().as_str())?;
        if !self.policy.is_of_variables() {
            writeln!(f, "\n{}", table::identities(&self.policied.identities))?;
        }
        write!(f, "\n{}", table::callers(&self.policied.identities))
    }
}

/// A line for each thing that is known of the only identity.
fn one(f: &mut fmt::Formatter<'_>, only: &Identity) -> fmt::Result {
    writeln!(f, "client id        {}", only.client_id)?;
    writeln!(f, "tenant id        {}", only.tenant_id)?;
    let cloud = only.authority.cloud().map(|cloud| format!(" ({cloud})"));
    writeln!(f, "authority        {}{}", only.authority.host(), cloud.unwrap_or_default())?;
    writeln!(f, "projected token  {}", only.token_file.display())?;
    writeln!(f, "audience         {}", only.audience)
}
