//! What in an app's environment would lead an SDK elsewhere.

use std::fmt;

use cambist::Env;

/// A variable that misleads SDKs, and what becomes of them by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pitfall {
    pub(crate) name: &'static str,
    /// What it brings about.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) mend: Mend,
}

/// What is to be done about a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mend {
    /// It has no place here.
    Move,
    /// It goes.
    Unset,
    /// Libraries of before 2020 need it, and newer ones `IDENTITY_ENDPOINT` beside it.
    Know,
    /// These hosts are to be asked without the proxy.
    NoProxy(&'static str),
}

impl fmt::Display for Pitfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.what)?;
        match self.mend {
            Mend::Move => {
                f.write_str("; it belongs in the sidecar's environment, not in the app's")
            }
            Mend::Unset => f.write_str("; take it away"),
            Mend::Know => Ok(()),
            Mend::NoProxy(hosts) => write!(f, "; set NO_PROXY={hosts}. It was sent straight now"),
        }
    }
}

/// All of them, for an app whose endpoint is on this host.
pub(crate) fn pitfalls(env: &dyn Env, host: &str) -> Vec<Pitfall> {
    let variables = [
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            "is set: DefaultAzureCredential goes to Entra itself with it",
            Mend::Move,
        ),
        (
            "IDENTITY_SERVER_THUMBPRINT",
            "is set: SDKs take the endpoint for Service Fabric's with it",
            Mend::Unset,
        ),
        (
            "IMDS_ENDPOINT",
            "is set: beside IDENTITY_ENDPOINT, SDKs take the endpoint for Azure Arc's with it",
            Mend::Unset,
        ),
        (
            "MSI_ENDPOINT",
            "is set: it is for libraries of before 2020; newer ones without IDENTITY_ENDPOINT take it for \
             another service's",
            Mend::Know,
        ),
    ];
    let set = variables.into_iter().filter(|(name, ..)| env.get(name).is_some());
    let mut out: Vec<_> =
        set.map(|(name, what, mend)| Pitfall { name, what: what.to_owned(), mend }).collect();
    // JavaScript goes by the second of these for plain HTTP, too.
    let proxy =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let proxy = proxy.into_iter().find(|name| env.get(name).is_some());
    // Of two spellings, some clients go by the one and some by the other.
    let exempt = ["NO_PROXY", "no_proxy"].map(|name| env.get(name));
    let mut exempt = exempt.into_iter().flatten().peekable();
    let exempted = exempt.peek().is_some() && exempt.all(|it| is_exempt(host, &it));
    if let Some(name) = proxy
        && !exempted
    {
        let hosts =
            if host.contains(':') { "127.0.0.1,localhost,::1" } else { "127.0.0.1,localhost" };
        let what = format!(
            "is set and NO_PROXY (or no_proxy) does not name {host}: most SDKs would send this request to the \
             proxy, with its secret"
        );
        out.push(Pitfall { name, what, mend: Mend::NoProxy(hosts) });
    }
    out
}

/// In words, each with what to do.
pub(crate) fn warnings(env: &dyn Env, host: &str) -> Vec<String> {
    pitfalls(env, host).iter().map(ToString::to_string).collect()
}

/// By what most clients agree on: the name itself, a domain that it is in, or all.
fn is_exempt(host: &str, exempt: &str) -> bool {
    exempt.split(',').map(str::trim).any(|entry| {
        let domain = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.'));
        entry == "*"
            || entry.eq_ignore_ascii_case(host)
            || domain.is_some_and(|domain| {
                host.to_ascii_lowercase().ends_with(&format!(".{}", domain.to_ascii_lowercase()))
            })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Vec<String> {
        let env: BTreeMap<String, String> =
            variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        warnings(&env, "127.0.0.1")
    }

    #[test]
    fn what_leads_elsewhere_is_warned_of_and_nothing_else() {
        assert!(of(&[("AZURE_CLIENT_ID", "x")]).is_empty());
        let both = [("NO_PROXY", "127.0.0.1"), ("no_proxy", "foo.example")];
        assert!(of(&both).is_empty());
        for proxy in ["HTTPS_PROXY", "http_proxy", "all_proxy"] {
            let told = of(&[(proxy, "http://p"), both[0], both[1]]);
            assert!(told[0].starts_with(&format!("{proxy} is set")), "{told:?}");
            assert!(of(&[(proxy, "http://p"), both[0]]).is_empty());
        }
        assert!(of(&[("IMDS_ENDPOINT", "x")])[0].contains("Azure Arc"));
        assert!(of(&[("MSI_ENDPOINT", "x")])[0].contains("before 2020"));
        assert!(of(&[("AZURE_FEDERATED_TOKEN_FILE", "/t")])[0].contains("sidecar"));
        assert!(of(&[("IDENTITY_SERVER_THUMBPRINT", "x")])[0].contains("Service Fabric"));
        for (exempt, warned) in [
            ("", true),
            ("localhost,.cluster.local", true),
            ("10.0.0.0/8, 127.0.0.1", false),
            ("*", false),
        ] {
            let told = of(&[("http_proxy", "http://p"), ("NO_PROXY", exempt)]);
            assert_eq!(!told.is_empty(), warned, "{exempt}: {told:?}");
        }
        assert!(is_exempt("a.b.svc", ".svc") && is_exempt("LOCALHOST", "localhost"));
        assert!(!is_exempt("svc", ".svc"));
    }
}
