//! Reading: one variable after the other, each fault noted, none the last.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cambist_core::admission::Exemption;
use cambist_core::admission::Mode;
use cambist_core::duration;
use cambist_core::issuer::{IssuerUrl, JwksHost};
use cambist_core::names::is_guid;
use cambist_core::scope::Audience;
use cambist_core::subject::ServiceAccount;
use cambist_core::verify::{self, DefaultAccount};
use cambist_key_age::{Grade, Limits, Platform};

use super::{ConfigFault, KeyPlace, RENAMED, TrustConfig};
use crate::env::Env;
use crate::exchange::{Authority, Cloud, TenantId};
use crate::history::HistoryFile;
use crate::key_age;
use crate::transport::{CaBundle, ProxyOptions, TokenProxyOptions, TokenProxyTrust};

/// The CA certificate of the cluster, where pods find it.
const CLUSTER_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Naming it is what opts in to AKS identity bindings.
pub(super) const TOKEN_PROXY: &str = "AZURE_KUBERNETES_TOKEN_PROXY";

/// Reads one variable after the other and notes what is wrong.
pub(super) struct Reader<'a> {
    env: &'a dyn Env,
    pub(super) faults: Vec<ConfigFault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(env: &'a dyn Env) -> Self {
        Self { env, faults: Vec::new() }
    }

    fn fault(&mut self, name: &str, problem: impl Into<String>) {
        self.faults.push(ConfigFault::new(name.to_owned(), problem));
    }

    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        let text = self.env.get(name);
        if text.is_none() {
            self.fault(
                name,
                "is not set; the workload-identity webhook sets it for pods labelled \
                azure.workload.identity/use: \"true\", or set it yourself",
            );
        }
        text
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.env.get(name)?;
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            self.fault(name, format!("must be {expected}, found {text:?}"));
        }
        parsed
    }

    fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let Some(text) = self.env.get(name) else { return default };
        duration::parse(text.trim()).unwrap_or_else(|problem| {
            self.fault(name, problem.to_string());
            default
        })
    }

    pub(super) fn guid(&mut self, name: &str) -> Option<String> {
        let text = self.required(name)?;
        if is_guid(&text) {
            return Some(text);
        }
        self.fault(name, format!("must be a GUID, found {text:?}"));
        None
    }

    pub(super) fn tenant(&mut self) -> Option<TenantId> {
        let name = "AZURE_TENANT_ID";
        let text = self.required(name)?;
        match TenantId::parse(&text) {
            Ok(tenant) => Some(tenant),
            Err(problem) => {
                self.fault(name, problem.to_string());
                None
            }
        }
    }

    pub(super) fn authority(&mut self) -> Option<Authority> {
        let allowed = self.allowed_authorities();
        self.authority_among(&allowed)
    }

    pub(super) fn allowed_authorities(&mut self) -> Vec<String> {
        let allowed = self.env.get("CAMBIST_ALLOW_AUTHORITY").unwrap_or_default();
        let mut allowed: Vec<_> =
            allowed.split(',').map(str::trim).filter(|a| !a.is_empty()).collect();
        allowed.retain(|authority| match Authority::parse(authority, &[authority]) {
            Ok(_) => true,
            Err(problem) => {
                self.fault("CAMBIST_ALLOW_AUTHORITY", problem.to_string());
                false
            }
        });
        allowed.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn authority_among(&mut self, allowed: &[String]) -> Option<Authority> {
        let allowed: Vec<_> = allowed.iter().map(String::as_str).collect();
        let text = self.env.get("AZURE_AUTHORITY_HOST");
        let text = text.as_deref().unwrap_or("https://login.microsoftonline.com/");
        match Authority::parse(text, &allowed) {
            Ok(authority) => Some(authority),
            Err(problem) => {
                self.fault("AZURE_AUTHORITY_HOST", problem.to_string());
                None
            }
        }
    }

    /// What the projected token must be addressed to: what is configured, or what the token proxy or
    /// the authority's cloud is used to.
    pub(super) fn audience(&mut self, authority: Option<&Authority>) -> Audience {
        // Where something is wrong, reading goes on with a stand-in, to tell all faults at once.
        let usual = match (self.env.get(TOKEN_PROXY), authority) {
            (Some(_), _) => Audience::aks_identity_binding(),
            (None, Some(authority)) => authority.default_audience(),
            (None, None) => Audience::entra(),
        };
        let audience = match self.env.get("CAMBIST_AUDIENCE").map(Audience::parse) {
            Some(Ok(audience)) => audience,
            Some(Err(error)) => {
                self.fault("CAMBIST_AUDIENCE", error.to_string());
                usual.clone()
            }
            None => usual.clone(),
        };
        if let Some(authority) = authority {
            self.check_pair(authority, &audience, &usual);
        }
        audience
    }

    pub(super) fn trust(&mut self) -> TrustConfig {
        for (old, new) in RENAMED.iter().filter(|(old, _)| self.env.get(old).is_some()) {
            self.fault(old, format!("is {new} now: set that instead"));
        }
        let mode = self.parsed("CAMBIST_KEY_AGE", "off, audit or enforce").unwrap_or_default();
        let both = self.env.get("CAMBIST_CA_FILE");
        let env = self.env;
        let ca = |name| env.get(name).or_else(|| both.clone()).map(PathBuf::from);
        TrustConfig {
            issuer: self.issuer(mode),
            leeway: self.duration("CAMBIST_LEEWAY", verify::LEEWAY),
            max_lifetime: self.duration("CAMBIST_MAX_TOKEN_LIFETIME", verify::MAX_LIFETIME),
            default_account: self.default_account(),
            mode,
            key_age: self.key_age(),
            jwks_host: self.jwks_host(),
            keys: self.keys(),
            entra_ca_file: ca("CAMBIST_ENTRA_CA_FILE"),
            issuer_ca_file: ca("CAMBIST_ISSUER_CA_FILE"),
            token_proxy: self.token_proxy(),
            proxy: self.proxy(),
        }
    }

    fn issuer(&mut self, mode: Mode) -> Option<IssuerUrl> {
        let name = "CAMBIST_ISSUER";
        match self.env.get(name) {
            Some(text) => IssuerUrl::parse(&text).map_err(|e| self.fault(name, e.to_string())).ok(),
            None => {
                if mode == Mode::Enforce {
                    self.fault(
                        name,
                        "is not set, but CAMBIST_KEY_AGE=enforce needs it: without \
                        it a token's own issuer would decide which keys to trust",
                    );
                }
                None
            }
        }
    }

    fn default_account(&mut self) -> DefaultAccount {
        let name = "CAMBIST_ALLOW_DEFAULT_ACCOUNT";
        let Some(text) = self.env.get(name) else { return DefaultAccount::Refused };
        let accounts: Result<Vec<ServiceAccount>, _> =
            text.split(',').map(|account| account.trim().parse()).collect();
        match accounts {
            Ok(accounts) => DefaultAccount::Allowed(accounts),
            Err(problem) => {
                self.fault(name, problem.to_string());
                DefaultAccount::Refused
            }
        }
    }

    /// Another cloud's usual audience is a mistake, and so is one that is spelt a little differently;
    /// an audience of somebody's own is not.
    fn check_pair(&mut self, authority: &Authority, audience: &Audience, usual: &Audience) {
        let known = Cloud::all().map(Cloud::audience).chain([Audience::aks_identity_binding()]);
        if let Some(known) = known.into_iter().find(|known| nearly(audience, known)) {
            let problem = format!(
                "{audience} is not {known}, and audiences are compared byte for byte: write it so"
            );
            return self.fault("CAMBIST_AUDIENCE", problem);
        }
        let clouds = (authority.cloud(), Cloud::of_audience(audience));
        let (Some(asked), Some(meant)) = clouds else { return };
        if asked != meant {
            let (host, other) = (authority.host(), meant.authority());
            let mut problem = format!(
                "{audience} is what {meant} expects, but the authority {host} is that of {asked}: \
                 set CAMBIST_AUDIENCE={usual}"
            );
            if Cloud::of_audience(usual).is_some() {
                problem += &format!(", or AZURE_AUTHORITY_HOST={other}");
            }
            self.fault("CAMBIST_AUDIENCE", problem);
        }
    }

    fn key_age(&mut self) -> key_age::Settings {
        let given = ["CAMBIST_ROTATE_AFTER", "CAMBIST_EXPIRE_AFTER"].map(|name| self.env.get(name));
        let platform =
            self.parsed::<Platform>("CAMBIST_PLATFORM", "a platform such as aks-arc or kubeadm");
        let mut limits = None;
        if given.iter().any(Option::is_some) {
            let usual = platform.and_then(Platform::limits).unwrap_or(Limits::AZURE_LOCAL);
            let rotate_after = self.duration("CAMBIST_ROTATE_AFTER", usual.rotate_after());
            let expire_after =
                self.duration("CAMBIST_EXPIRE_AFTER", usual.expire_after().max(rotate_after * 2));
            let given = Limits::new(rotate_after, expire_after);
            limits = given.map_err(|e| self.fault("CAMBIST_ROTATE_AFTER", e.to_string())).ok();
        }
        let exempt = Exemption::list(&self.env.get("CAMBIST_KEY_AGE_EXEMPT").unwrap_or_default());
        let exempt = exempt.map_err(|e| self.fault("CAMBIST_KEY_AGE_EXEMPT", e.to_string()));
        let trust = self.parsed("CAMBIST_HISTORY_TRUST", "attested, asserted or assumed");
        key_age::Settings {
            platform,
            limits,
            exempt: exempt.unwrap_or_default(),
            history: self.env.get("CAMBIST_HISTORY").map(HistoryFile::new),
            history_trust: trust.unwrap_or(Grade::Attested).min(Grade::Attested),
        }
    }

    fn jwks_host(&mut self) -> JwksHost {
        match self.parsed("CAMBIST_JWKS_ANY_HOST", "true or false") {
            Some(true) => JwksHost::AnyHttps,
            _ => JwksHost::SameAsIssuer,
        }
    }

    fn keys(&mut self) -> Vec<KeyPlace> {
        let text = self.env.get("CAMBIST_KEYS").unwrap_or_else(|| "public".to_owned());
        text.split(',').filter_map(|place| self.key_place(place.trim())).collect()
    }

    fn key_place(&mut self, place: &str) -> Option<KeyPlace> {
        match place.split_once(':') {
            None if place == "public" => Some(KeyPlace::Public),
            None if place == "api" => self.api(),
            Some(("file", path)) if !path.is_empty() => Some(KeyPlace::File(path.into())),
            _ => {
                let problem = format!("must list public, api and file:PATH, found {place:?}");
                self.fault("CAMBIST_KEYS", problem);
                None
            }
        }
    }

    fn api(&mut self) -> Option<KeyPlace> {
        let need = "is not set, but CAMBIST_KEYS lists api";
        let mut get = |name: &str, more: &str| {
            let text = self.env.get(name);
            if text.is_none() {
                self.fault(name, format!("{need}{more}"));
            }
            text
        };
        let host = get("KUBERNETES_SERVICE_HOST", "; it is set in every pod of a cluster")?;
        let token_file = get(
            "CAMBIST_API_TOKEN_FILE",
            ": mount a projected token whose audience \
            is the API server's, in the sidecar only",
        )?;
        let port = self.env.get("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let ca_file = self.env.get("CAMBIST_API_CA_FILE").unwrap_or_else(|| CLUSTER_CA.to_owned());
        Some(KeyPlace::Api {
            server: format!("https://{host}:{port}"),
            token_file: token_file.into(),
            ca_file: ca_file.into(),
        })
    }

    fn token_proxy(&mut self) -> Option<TokenProxyOptions> {
        let [sni_name, ca_file, ca_data] =
            ["AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA"];
        let Some(url) = self.env.get(TOKEN_PROXY) else {
            for name in [sni_name, ca_file, ca_data] {
                if self.env.get(name).is_some() {
                    self.fault(
                        name,
                        "is set, but AZURE_KUBERNETES_TOKEN_PROXY is not: set that to the \
                        cluster's token proxy, or take this one away",
                    );
                }
            }
            return None;
        };
        let parsed = TokenProxyOptions::parse(&url);
        let parsed = parsed.map_err(|e| self.fault(TOKEN_PROXY, e.to_string())).ok();
        // What belongs to a broken URL is still checked, with a stand-in.
        let broken = parsed.is_none();
        let mut proxy = parsed.or_else(|| TokenProxyOptions::parse("https://localhost").ok())?;
        if let Some(name) = self.env.get(sni_name) {
            let named = proxy.clone().with_sni_name(&name);
            proxy = named.map_err(|e| self.fault(sni_name, e.to_string())).unwrap_or(proxy);
        }
        proxy.trust = match (self.env.get(ca_file), self.env.get(ca_data)) {
            (None, None) => TokenProxyTrust::Platform,
            (Some(path), None) => TokenProxyTrust::File(path.into()),
            (None, Some(pem)) => match CaBundle::parse("its text", pem.as_bytes()) {
                Ok(bundle) => TokenProxyTrust::Bundle(bundle),
                Err(error) => {
                    self.fault(ca_data, error.to_string());
                    return None;
                }
            },
            (Some(_), Some(_)) => {
                self.fault(ca_data, "AZURE_KUBERNETES_CA_FILE is set, too; set one of them");
                return None;
            }
        };
        (!broken).then_some(proxy)
    }

    fn proxy(&mut self) -> Option<ProxyOptions> {
        let either = |upper, lower| self.env.get(upper).or_else(|| self.env.get(lower));
        let url = either("HTTPS_PROXY", "https_proxy")?;
        let no_proxy = either("NO_PROXY", "no_proxy").unwrap_or_default();
        let proxy = ProxyOptions::parse(&url, &no_proxy);
        proxy.map_err(|e| self.fault("HTTPS_PROXY", e.to_string())).ok()
    }
}

/// Whether two audiences differ in nothing but case and a slash at the end.
fn nearly(one: &Audience, other: &Audience) -> bool {
    let (a, b) = (one.as_str(), other.as_str());
    a != b && a.trim_end_matches('/').eq_ignore_ascii_case(b)
}
