//! Which `Host` a listener answers to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The names of one's own machine, as they stand in a `Host`.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// A name that the admin listener is known by: of a Service, or of a port on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// In lower case; an IPv6 address in brackets.
    name: String,
    /// The port it is asked on, if that is not the listener's own.
    port: Option<u16>,
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no host name, such as cambist.shop.svc or 10.0.0.4:80");
        if let Ok(bare) = text.parse::<Ipv6Addr>() {
            return Ok(Self { name: format!("[{bare}]"), port: None });
        }
        let (name, port) = split(text).ok_or_else(wrong)?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_name = !name.is_empty() && name.bytes().all(fits);
        if !is_name && address(name).is_none() {
            return Err(wrong());
        }
        Ok(Self { name: name.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether a `Host` is loopback's, spelt with this port.
pub(super) fn is_loopback(host: &str, port: u16) -> bool {
    // Not by parsing: the texts that are ours are few and have one spelling each.
    matches!(split(host), Some((name, Some(named))) if named == port && is_own(name))
}

/// Whether a `Host` is the admin listener's: one of loopback's names, the address that was asked, or
/// one of `names`.
pub(super) fn is_admin(host: &str, port: u16, asked: Option<IpAddr>, names: &[HostName]) -> bool {
    let Some((name, named)) = split(host) else { return false };
    // What a name is checked for is that nobody else's DNS can say it. Any port will do with those
    // that nobody's can: a forwarded port has a number of its own.
    if is_own(name) {
        return true;
    }
    let on = |expected: Option<u16>| match expected {
        Some(expected) => named == Some(expected),
        None => named.is_none_or(|named| named == port),
    };
    on(None) && asked.is_some_and(|asked| address(name).is_some_and(|ip| ip == asked))
        || names.iter().any(|known| on(known.port) && name.eq_ignore_ascii_case(&known.name))
}

fn is_own(name: &str) -> bool {
    LOOPBACK.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// The address that a host is, if it is one, as it is spelt: an IPv4 address in IPv6's clothes is no
/// listener's own.
fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse().ok().filter(IpAddr::is_ipv4),
    }
}

/// The name and the port of a `Host`, each in its one spelling.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    if host.ends_with(']') {
        return Some((host, None));
    }
    let Some((name, digits)) = host.rsplit_once(':') else { return Some((host, None)) };
    let plain = !digits.starts_with(['+', '0']);
    Some((name, Some(digits.parse().ok().filter(|_| plain)?)))
}
