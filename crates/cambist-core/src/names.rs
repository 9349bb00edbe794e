//! What others name things by: hosts in URLs, objects of Kubernetes, directories of Entra.

use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use http::uri::Authority;

/// Host and port of an absolute URL, as they stand there, whatever its scheme; none for what is no
/// such URL. Compared without regard to case.
///
/// ```
/// use cambist_core::names::authority;
///
/// let at = authority("https://Issuer.example:8443/a?b").unwrap();
/// assert_eq!((at.host(), at.port_u16()), ("Issuer.example", Some(8443)));
/// assert!(authority("issuer.example").is_none());
/// ```
pub fn authority(url: &str) -> Option<Authority> {
    let parts = url.parse::<Uri>().ok()?.into_parts();
    parts.scheme.and(parts.authority)
}

/// The address that a URL's host is, if it is none that a name server is asked for. One of IPv6 is in
/// brackets there.
///
/// ```
/// use cambist_core::names::address;
///
/// assert!(address("[::1]").is_some_and(|ip| ip.is_loopback()));
/// assert!(address("::1").is_none() && address("issuer.example").is_none());
/// ```
pub fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    }
}

/// Whether this can be a host's name: labels of letters, digits and inner hyphens, with single dots
/// between (RFC 1123 section 2.1).
///
/// ```
/// use cambist_core::names::is_dns_name;
///
/// assert!(is_dns_name("login.microsoftonline.com"));
/// assert!(!is_dns_name("-a.example") && !is_dns_name("a..example") && !is_dns_name("a.example."));
/// ```
pub fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|label| label.len() <= 63 && is_label(label))
}

/// Whether Kubernetes may call a namespace so: a label in lower case.
pub fn is_namespace(text: &str) -> bool {
    text.len() <= 63 && is_lower(text) && is_label(text)
}

/// Whether Kubernetes may call most other objects so, service accounts and ConfigMaps among them: a
/// DNS subdomain in lower case, whose labels may be longer than DNS has them.
pub fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && is_lower(text) && text.split('.').all(is_label)
}

/// Whether this is a GUID as Entra writes the ids of directories and applications: hexadecimal digits
/// in five groups (RFC 9562 section 4), without braces.
///
/// ```
/// use cambist_core::names::is_guid;
///
/// assert!(is_guid("72f988bf-86f1-41af-91ab-2d7cd011db47"));
/// assert!(!is_guid("common") && !is_guid("72f988bf86f141af91ab2d7cd011db47"));
/// ```
pub fn is_guid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_lower(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_urls_host_is_what_a_client_would_ask() {
        for (url, found) in [
            ("https://h", Some("h")),
            ("https://h/", Some("h")),
            ("http://h:80?q", Some("h:80")),
            ("https://h#f/x", Some("h")),
            ("https://[::1]:8443/x", Some("[::1]:8443")),
            ("https://10.0.0.1/", Some("10.0.0.1")),
            ("h/x", None),
            ("h:443", None),
            ("https://", None),
            ("https:///x", None),
            ("https://h /", None),
            ("https://h\\@evil/", None),
            ("api://AzureADTokenExchange", Some("AzureADTokenExchange")),
            ("", None),
        ] {
            let at = authority(url);
            assert_eq!(at.as_ref().map(Authority::as_str), found, "{url}");
        }
        assert_eq!(authority("https://H:1/"), authority("https://h:1/x"));
    }

    #[test]
    fn an_address_is_no_name() {
        for (host, is) in [
            ("10.0.0.1", true),
            ("[fd00::1]", true),
            ("fd00::1", false),
            ("[10.0.0.1]", false),
            ("[fd00::1", false),
            ("10.0.0.1:80", false),
            ("010.0.0.1", false),
            ("h", false),
            ("", false),
        ] {
            assert_eq!(address(host).is_some(), is, "{host}");
        }
    }

    #[test]
    fn names_have_their_rules() {
        let (label, long) = ("x".repeat(63), "x".repeat(64));
        let name = format!("{label}.{label}.{label}.{}", "x".repeat(61));
        for (text, dns, namespace, object) in [
            ("a", true, true, true),
            ("a-1", true, true, true),
            ("a.b", true, false, true),
            ("A", true, false, false),
            (&label, true, true, true),
            (&long, false, false, true),
            (&name, true, false, true),
            (&format!("{name}x"), false, false, false),
            ("", false, false, false),
            ("a.", false, false, false),
            ("a..b", false, false, false),
            ("-a", false, false, false),
            ("a-", false, false, false),
            ("a_b", false, false, false),
            ("a/b", false, false, false),
            ("é", false, false, false),
        ] {
            let found = (is_dns_name(text), is_namespace(text), is_object_name(text));
            assert_eq!(found, (dns, namespace, object), "{text}");
        }
    }

    #[test]
    fn guids_have_one_form() {
        assert!(is_guid("00000000-0000-0000-0000-00000000000A"));
        for bad in [
            "",
            "----",
            "00000000-0000-0000-0000-00000000000",
            "00000000-0000-0000-0000-00000000000g",
            "00000000-0000-0000-0000-00000000000a-",
            "{00000000-0000-0000-0000-00000000000a}",
            "0000000-00000-0000-0000-00000000000a",
        ] {
            assert!(!is_guid(bad), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}", url in "https?://\\PC{0,20}") {
            drop((authority(&text), authority(&url), address(&text), is_guid(&text)));
            assert!(!is_namespace(&text) || is_object_name(&text) && is_dns_name(&text));
        }
    }
}
