//! Sockets to listen on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket};

use crate::config::Listen;

/// How many clients may queue in the kernel while the sidecar is at its limit.
pub(super) const BACKLOG: u32 = 4096;

/// Opens the token listener's sockets: one, or one for each loopback address there is.
///
/// # Errors
/// If the port is taken, or no address is there.
pub fn bind(listen: Listen) -> io::Result<Vec<TcpListener>> {
    match listen {
        Listen::One(at) => Ok(vec![open(at)?]),
        Listen::Both(0) => {
            // Any port that is free on both: the kernel picks one for the first address, and
            // somebody else may have it on the second.
            let mut last = io::Error::from(io::ErrorKind::AddrInUse);
            for _ in 0..16 {
                let first = open((Ipv4Addr::LOCALHOST, 0).into())?;
                let port = first.local_addr()?.port();
                match open((Ipv6Addr::LOCALHOST, port).into()) {
                    Ok(second) => return Ok(vec![first, second]),
                    Err(error) if is_absent(&error) => return Ok(vec![first]),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Listen::Both(port) => {
            let (mut listeners, mut absent) = (Vec::new(), None);
            for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                match open(SocketAddr::new(ip, port)) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) if is_absent(&error) => absent = Some(error),
                    Err(error) => return Err(error),
                }
            }
            match absent {
                Some(error) if listeners.is_empty() => Err(error),
                _ => Ok(listeners),
            }
        }
    }
}

/// Opens one listening socket.
///
/// # Errors
/// As the operating system says, with the address.
pub fn open(at: SocketAddr) -> io::Result<TcpListener> {
    let listening = || {
        let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for its predecessor's connections to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error: io::Error| match is_absent(&error) {
        true => error,
        false => io::Error::new(error.kind(), format!("cannot listen on {at}: {error}")),
    })
}

/// Whether this machine has no such address: no IPv6, as a rule.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}
