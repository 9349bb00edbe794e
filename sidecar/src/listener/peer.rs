//! Who is at the other end of a connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The other end, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// The pod itself: its loopback, which nobody else can speak from.
    Loopback,
    /// The pod's node, as `CAMBIST_HOST_IP` names it: kubelet probes from there.
    Host,
    /// Any other address.
    Other(IpAddr),
}

impl Peer {
    /// Who speaks from this address, where the node has the address `host`.
    pub fn of(ip: IpAddr, host: Option<IpAddr>) -> Self {
        // A socket for both families tells an IPv4 address as `::ffff:10.0.0.7`.
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            Self::Loopback
        } else if host.is_some_and(|host| host.to_canonical() == ip) {
            Self::Host
        } else {
            Self::Other(ip)
        }
    }

    /// Whether it is the pod itself.
    pub const fn is_loopback(self) -> bool {
        matches!(self, Self::Loopback)
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ends {
    /// Who asks.
    pub peer: Peer,
    /// The address that was asked, where the connection has one.
    pub local: Option<IpAddr>,
}

impl Ends {
    /// A connection from `peer` to `local`.
    pub fn new(peer: Peer, local: Option<IpAddr>) -> Self {
        Self { peer, local: local.map(|ip| ip.to_canonical()) }
    }
}

/// A connection, as those know it who answer on it.
#[derive(Debug)]
pub struct Link {
    ends: Ends,
    hung_up: AtomicBool,
}

impl Link {
    /// A connection between these two.
    pub fn new(ends: Ends) -> Self {
        Self { ends, hung_up: AtomicBool::new(false) }
    }

    /// Its two ends.
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Whether the client has closed its side while a request of it was being answered: it has left,
    /// or will send nothing more and still listens. Nothing tells the two apart.
    pub fn has_hung_up(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed)
    }

    /// The client has closed its side.
    pub(super) fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_known_by_its_address_in_either_notation() {
        let of = |ip: &str| Peer::of(ip.parse().unwrap(), Some("10.0.0.4".parse().unwrap()));
        for loopback in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(loopback), Peer::Loopback, "{loopback}");
        }
        assert_eq!((of("10.0.0.4"), of("::ffff:10.0.0.4")), (Peer::Host, Peer::Host));
        assert_eq!(of("::ffff:10.0.0.5"), Peer::Other("10.0.0.5".parse().unwrap()));
        let node = "10.0.0.4".parse().unwrap();
        assert_eq!(Peer::of(node, None), Peer::Other(node), "nobody said that it is the node");
    }
}
