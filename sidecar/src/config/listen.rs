//! Where to listen, parsed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Where apps ask for tokens: the pod's own loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Both loopback addresses on one port; without IPv6, the one there is. Port 0 is any free one.
    Both(u16),
    /// One loopback address alone.
    One(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(port) = text.parse() {
            return Ok(Self::Both(port));
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self::Both(port));
        }
        let at = address(text)?;
        let ours = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if ours.contains(&at.ip()) {
            return Ok(Self::One(at));
        }
        Err(format!(
            "{at} is not the pod's loopback: whoever reaches another address could ask for tokens, \
             so it would take TLS, callers that identify themselves and a policy, which this \
             version does not have. Use a port alone, 127.0.0.1:{port} or [::1]:{port}",
            port = at.port()
        ))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(port) => write!(f, "127.0.0.1:{port} and, where present, [::1]:{port}"),
            Self::One(at) => at.fmt(f),
        }
    }
}

/// The admin listener's address, or none: `off`.
pub(super) fn admin(text: &str) -> Result<Option<SocketAddr>, String> {
    let text = text.trim();
    if text == "off" {
        return Ok(None);
    }
    if let Ok(port) = text.parse() {
        return Ok(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    address(text).map(Some)
}

/// An address without a port.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    let text = text.trim();
    text.parse().map_err(|_| format!("{text:?} is no IP address"))
}

/// An address with its port. A manifest's `$(POD_IP):8422` gives an IPv6 address without brackets:
/// the port is what follows the last colon.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.rsplit_once(':').and_then(|(ip, port)| {
        Some(SocketAddr::from((ip.parse::<Ipv6Addr>().ok()?, port.parse::<u16>().ok()?)))
    });
    bare.ok_or_else(|| format!("{text:?} is neither a port nor an address with a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_listener_stays_on_loopback() {
        assert_eq!("8421".parse(), Ok(Listen::Both(8421)));
        assert_eq!("localhost:0".parse(), Ok(Listen::Both(0)));
        for one in ["127.0.0.1:8421", "[::1]:8421"] {
            assert_eq!(one.parse(), Ok(Listen::One(one.parse().unwrap())));
        }
        for bad in ["0.0.0.0:8421", "[::]:8421", "10.0.0.7:8421", "127.0.0.2:8421", "10.0.0.7:0"] {
            assert!(Listen::from_str(bad).unwrap_err().contains("TLS"), "{bad}");
        }
        for bad in ["", "127.0.0.1", "x:1", "65536", "-1", "localhost:x", "unix:/run/a"] {
            assert!(Listen::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_admin_listener_goes_anywhere_or_nowhere() {
        assert_eq!(admin("off"), Ok(None));
        assert_eq!(admin("9000"), Ok(Some("127.0.0.1:9000".parse().unwrap())));
        assert_eq!(admin("10.0.0.7:8422"), Ok(Some("10.0.0.7:8422".parse().unwrap())));
        // What Kubernetes makes of $(POD_IP):8422 in an IPv6 cluster.
        assert_eq!(admin("fd00::7:8422"), Ok(Some("[fd00::7]:8422".parse().unwrap())));
        assert!(admin("fd00::7").is_err());
        assert!(admin("none").is_err());
    }
}
