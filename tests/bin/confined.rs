//! A process that has given up what the sidecar would give up with the same settings, and then tries
//! what it is told to: `ABI ATTEMPT...`, each attempt `WHAT:ON-WHAT`. Writes a line for each, the
//! attempt and the error's number, which is 0 where it succeeded.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "all of it is a test")]

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::process::Command;
use std::time::Duration;

use cambist::env::Process;
use cambist_sidecar::confine::{Confinement, Found, Needs};
use cambist_sidecar::settings::Settings;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};

fn main() {
    let mut args = std::env::args().skip(1);
    let abi = args.next().unwrap().parse().unwrap();
    let settings = Settings::of_env(&Process);
    let config = cambist_sidecar::Config::read(&settings).unwrap();
    let needs = Needs::of(&config, &Found::now(&config, &settings));
    let confinement = Confinement::up_to(abi, &config, &needs, Ok(()));
    for attempt in args {
        let (what, on) = attempt.split_once(':').unwrap();
        // On a thread of its own: what the first has given up, those after it have, too.
        let errno = std::thread::scope(|scope| scope.spawn(|| attempted(what, on)).join().unwrap());
        println!("{attempt} {errno}");
    }
    for (part, _) in confinement.lacks() {
        println!("lacks:{part} 0");
    }
}

fn attempted(what: &str, on: &str) -> i32 {
    let result = match what {
        "read" => File::open(on).map(drop),
        "list" => std::fs::read_dir(on).map(drop),
        "write" => OpenOptions::new().write(true).open(on).map(drop),
        "create" => File::create_new(on).map(drop),
        "mkdir" => std::fs::create_dir(on),
        "link" => std::os::unix::fs::symlink("x", on),
        "remove" => std::fs::remove_file(on),
        "rename" => std::fs::rename(on, format!("{on}-renamed")),
        // Reading is all that it takes where nobody looks.
        "cut" => rustix::fs::open(on, OFlags::RDONLY | OFlags::TRUNC, Mode::empty())
            .map(drop)
            .map_err(io::Error::from),
        // Any device knows this one, if only to say that it is no terminal.
        "device" => File::open(on)
            .and_then(|device| rustix::termios::tcgetwinsize(&device).map_err(io::Error::from))
            .map(drop),
        // Of another user it would be told whose rights it has.
        "run" => Command::new(on).output().map(|out| {
            print!("{}", String::from_utf8_lossy(&out.stdout));
        }),
        "listen" => TcpListener::bind(loopback(on)).map(drop),
        "connect" => TcpStream::connect_timeout(&loopback(on), Duration::from_secs(5)).map(drop),
        "signal" => rustix::process::test_kill_process(pid(on)).map_err(io::Error::from),
        "socket" => {
            UnixAddr::from_abstract_name(on).and_then(|at| UnixStream::connect_addr(&at)).map(drop)
        }
        "seize" => seize(pid(on)).map_err(io::Error::from),
        other => panic!("no such attempt: {other}"),
    };
    result.err().map_or(0, |error| error.raw_os_error().unwrap_or(-1))
}

/// Takes a file from another process, as a debugger could.
fn seize(of: Pid) -> Result<(), Errno> {
    let process = rustix::process::pidfd_open(of, PidfdFlags::empty())?;
    rustix::process::pidfd_getfd(&process, 0, PidfdGetfdFlags::empty()).map(drop)
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

fn loopback(port: &str) -> SocketAddr {
    ([127, 0, 0, 1], port.parse().unwrap()).into()
}
