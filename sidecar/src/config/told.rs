//! A configuration in words, for `--check-config`.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use cambist_core::issuer::IssuerUrl;

use super::{Config, SignIn};
use crate::request::Protocol;

impl fmt::Display for Config {
    /// What would run, a line each; no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
            let mut text = String::new();
            for item in items {
                let comma = if text.is_empty() { "" } else { ", " };
                let _ = write!(text, "{comma}{item}");
            }
            if text.is_empty() { "none".to_owned() } else { text }
        }
        match &self.source {
            SignIn::Federated(library) => {
                writeln!(f, "client id        {}", library.identity.client_id)?;
                writeln!(f, "tenant id        {}", library.identity.tenant_id)?;
                let authority = &library.identity.authority;
                let cloud = authority.cloud().map(|cloud| format!(" ({cloud})"));
                writeln!(f, "authority        {}{}", authority.host(), cloud.unwrap_or_default())?;
                writeln!(f, "projected token  {}", library.identity.token_file.display())?;
                let unpinned = "unpinned: the token's own is believed; set CAMBIST_ISSUER";
                let issuer = library.trust.issuer.as_ref().map_or(unpinned, IssuerUrl::as_str);
                writeln!(f, "issuer           {issuer}")?;
                writeln!(f, "audience         {}", library.identity.audience)?;
                writeln!(f, "issuer keys      {}", list(&library.trust.keys))?;
                let ca = |file: &Option<PathBuf>| {
                    let file =
                        file.as_ref().map(|file| format!("the platform's and {}", file.display()));
                    file.unwrap_or_else(|| "the platform's".to_owned())
                };
                writeln!(f, "token proxy      {}", list(&library.trust.token_proxy))?;
                match library.trust.token_proxy.as_ref().map(|proxy| &proxy.trust) {
                    None => writeln!(f, "CAs for entra    {}", ca(&library.trust.entra_ca_file))?,
                    Some(trust) => writeln!(f, "CAs for it       {trust}")?,
                }
                writeln!(f, "CAs for issuer   {}", ca(&library.trust.issuer_ca_file))?;
                writeln!(f, "proxy            {}", list(&library.trust.proxy))?;
            }
            #[cfg(feature = "developer")]
            SignIn::Developer => writeln!(f, "source           a developer's own sign-in")?,
        }
        if let Some(rules) = &self.key_age {
            writeln!(f, "{rules}")?;
        }
        writeln!(f, "tokens on        {}", self.listen)?;
        writeln!(f, "protocols        {}", list(self.served().map(Protocol::as_str)))?;
        let secret = if self.header_secret.is_some() { "set" } else { "none" };
        writeln!(f, "header secret    {secret}")?;
        writeln!(f, "admin on         {}", list(self.admin))?;
        if !self.admin_hosts.is_empty() {
            writeln!(f, "admin's names    {}", list(&self.admin_hosts))?;
        }
        writeln!(f, "prefetched       {}", list(&self.prefetch))?;
        write!(f, "log              {}", self.log)
    }
}
