//! What flags are parsed into.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration;
use cambist_core::names::{is_namespace, is_object_name};
use cambist_key_age::{AgeBasis, Grade, Platform, Severity};

use super::rotation::Account;
use crate::store::StoreName;
use crate::time::moment;

/// The platform, or whatever the issuer's URL gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    Auto,
    Of(Platform),
}

/// How long ahead a rotation is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// This long before it is due.
    Time(Duration),
    /// When this much of the time until it is due is over, in percent.
    Share(u32),
}

/// The end of something that begins now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    At(UnixTime),
    In(Duration),
}

impl Until {
    pub(crate) fn from(self, now: UnixTime) -> UnixTime {
        match self {
            Self::At(moment) => moment,
            Self::In(duration) => now + duration,
        }
    }
}

/// The value of a flag by its old name: there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Renamed {}

/// Refuses a flag's old name with the new one.
pub(super) fn renamed(
    new: &'static str,
) -> impl Fn(&str) -> Result<Renamed, String> + Clone + Send + Sync + 'static {
    move |_| Err(format!("it is {new} now"))
}

pub(super) fn platform(text: &str) -> Result<Chosen, String> {
    if text == "auto" {
        return Ok(Chosen::Auto);
    }
    text.parse().map(Chosen::Of).map_err(|_| {
        let names = Platform::ALL.map(Platform::as_str).join(", ");
        format!("expected auto or one of {names}")
    })
}

pub(super) fn basis(text: &str) -> Result<AgeBasis, String> {
    text.parse().map_err(|()| "expected conservative, trust, material or activation".to_owned())
}

pub(super) fn grade(text: &str) -> Result<Grade, String> {
    text.parse().map_err(|()| "expected proven, attested, asserted or assumed".to_owned())
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    text.parse().map_err(|()| "expected info, low, medium, high or critical".to_owned())
}

pub(super) fn assumption(text: &str) -> Result<UnixTime, String> {
    match text.split_once('=') {
        Some(("cluster-created", time)) => moment(time),
        _ => Err("expected cluster-created=TIME, such as cluster-created=2026-11-01".to_owned()),
    }
}

pub(super) fn account(text: &str) -> Result<Account, String> {
    match text.split_once('/') {
        Some((namespace, name)) if is_namespace(namespace) && is_object_name(name) => {
            Ok(Account { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("expected NAMESPACE/ACCOUNT, such as kube-system/cambist".to_owned()),
    }
}

pub(super) fn until(text: &str) -> Result<Until, String> {
    if let Ok(duration) = parsed(text) {
        return Ok(Until::In(duration));
    }
    moment(text)
        .map(Until::At)
        .map_err(|problem| format!("{problem}; or a duration from now, such as 3d"))
}

/// A store by its name, or a file by its path.
pub(super) fn place(text: &str) -> Result<StoreName, String> {
    match text.split_once(':') {
        Some(("file" | "cm", _)) => text.parse(),
        _ if text.is_empty() => Err("expected a path, file:PATH or cm:NAMESPACE/NAME".to_owned()),
        _ => Ok(StoreName::File(text.into())),
    }
}

fn parsed(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|problem| problem.to_string())
}

pub(super) fn every(text: &str) -> Result<Duration, String> {
    let every = parsed(text)?;
    let enough = every >= Duration::from_secs(60);
    enough.then_some(every).ok_or_else(|| "issuers are asked at most once a minute".to_owned())
}

pub(super) fn within(text: &str) -> Result<Within, String> {
    match text.strip_suffix('%') {
        None => parsed(text).map(Within::Time),
        Some(share) => match share.parse() {
            Ok(share @ 1..=100) => Ok(Within::Share(share)),
            _ => Err("a share is from 1% to 100%".to_owned()),
        },
    }
}
