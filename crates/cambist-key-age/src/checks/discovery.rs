//! K105's neighbours K401, K402, K404 and K408: what issuers and discovery documents say.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::finding::{CheckId, Finding, Severity};
use crate::published::PublishedSet;
use crate::text::{list, quoted};
use cambist_core::issuer::IssuerUrl;
use cambist_core::names;

/// K401: the issuer is named in more than one way; byte for byte, the trailing slash included.
/// `names` are (who says so, the name): the configuration, the discovery document, the token.
pub fn names_differ(names: &[(&str, &str)]) -> Option<Finding> {
    let distinct: BTreeSet<_> = names.iter().map(|(_, name)| name).collect();
    let said: Vec<_> = names.iter().map(|(who, name)| format!("{who}: {}", quoted(name))).collect();
    (distinct.len() > 1).then(|| Finding::new(CheckId::K401, None, said.join(", ")))
}

/// K402: an issuer's or key set's URL is not https, has a query, fragment or user, or an address in
/// place of a name. The address of this very machine only informs: nobody else is to reach it.
pub fn unacceptable_url(url: &str) -> Option<Finding> {
    let at = names::authority(url);
    let address = at.as_ref().and_then(|at| names::address(at.host()));
    let is_address = address.is_some() || at.is_some_and(|at| at.host().starts_with('['));
    let text = match IssuerUrl::parse(url) {
        Err(error) => error.to_string(),
        Ok(_) if is_address => format!("the host of {} is an address", quoted(url)),
        Ok(_) => return None,
    };
    let finding = Finding::new(CheckId::K402, None, text);
    let here =
        address.is_some_and(|address| address.is_loopback()) && IssuerUrl::parse(url).is_ok();
    Some(if here { finding.severity(Severity::Info) } else { finding })
}

/// K404: the key set is elsewhere.
pub fn other_host(issuer: &str, jwks_uri: &str) -> Option<Finding> {
    let (home, away) = (super::host(issuer), super::host(jwks_uri));
    let text = format!("the issuer is at {}, its key set at {}", quoted(&home), quoted(&away));
    (!home.eq_ignore_ascii_case(&away)).then(|| Finding::new(CheckId::K404, None, text))
}

/// K408: members that OpenID Connect Discovery 1.0 section 3 requires are missing, or algorithms do
/// not agree with the keys.
pub fn incomplete(document: &[u8], set: &PublishedSet) -> Vec<Finding> {
    let document: Value = serde_json::from_slice(document).unwrap_or_default();
    let strings = |name: &str| -> Vec<&str> {
        let items = document.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut out = Vec::new();
    let mut find = |text: String| out.push(Finding::new(CheckId::K408, None, text));
    for (member, value) in
        [("response_types_supported", "id_token"), ("subject_types_supported", "public")]
    {
        let found = strings(member);
        if !found.contains(&value) {
            find(format!("{member} lacks {}: it has {}", quoted(value), list(found)));
        }
    }
    let member = "id_token_signing_alg_values_supported";
    let announced: BTreeSet<_> = strings(member).into_iter().collect();
    let used: BTreeSet<_> = set.keys().iter().filter_map(|key| key.alg.as_deref()).collect();
    if !used.is_subset(&announced) {
        find(format!("{member} has {}, the keys are for {}", list(announced), list(used)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ISSUER, KEYS, set};

    #[test]
    fn k401_minds_the_slash() {
        let bare = ISSUER.trim_end_matches('/');
        assert!(names_differ(&[("configured", ISSUER), ("discovery", ISSUER)]).is_none());
        let found = names_differ(&[("configured", ISSUER), ("discovery", ISSUER), ("token", bare)]);
        assert!(found.unwrap().evidence[0].contains("token: "));
    }

    #[test]
    fn k402_is_any_url_that_kubernetes_refuses_and_addresses() {
        for (url, bad) in [
            (ISSUER, false),
            ("https://issuer.example:8443/x", false),
            ("http://issuer.example/", true),
            ("https://issuer.example/?a", true),
            ("https://issuer.example/#a", true),
            ("https://a@issuer.example/", true),
            ("https://192.0.2.1/", true),
            ("https://192.0.2.1:6443/", true),
            ("https://[2001:db8::1]/", true),
            ("https://[2001:db8::1]:6443/x", true),
        ] {
            assert_eq!(unacceptable_url(url).is_some(), bad, "{url}");
        }
        for (url, severity) in [
            ("https://192.0.2.1/", Severity::High),
            ("https://127.0.0.1:8443/", Severity::Info),
            ("https://[::1]/", Severity::Info),
            ("http://127.0.0.1/", Severity::High),
            ("https://127.0.0.1/?a", Severity::High),
        ] {
            assert_eq!(unacceptable_url(url).unwrap().severity, severity, "{url}");
        }
    }

    #[test]
    fn k404_compares_hosts() {
        assert!(other_host(ISSUER, "https://ISSUER.example/openid/v1/jwks").is_none());
        assert!(other_host(ISSUER, "https://10.178.0.2:443/openid/v1/jwks").is_some());
    }

    #[test]
    fn k408_is_a_document_that_lacks_what_kubernetes_writes() {
        let keys = PublishedSet::parse(set(&[&KEYS[0].jwk("a")]).as_bytes()).unwrap();
        // As EKS and AKS write it.
        let whole = r#"{"issuer":"i","jwks_uri":"j","response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}"#;
        assert!(incomplete(whole.as_bytes(), &keys).is_empty());
        assert_eq!(incomplete(whole.replace("RS256", "ES256").as_bytes(), &keys).len(), 1);
        assert_eq!(incomplete(b"{}", &keys).len(), 3);
        assert_eq!(incomplete(b"not JSON", &keys).len(), 3);
    }
}
