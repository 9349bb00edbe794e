//! What the process gives up once it knows what it needs, and how that is told.
//!
//! What it needs is a list made of the configuration ([`Needs`]). Everything else is given up for good, by the main
//! thread before any other that stays: what a thread gives up, those that it begins have given up, too. A kernel may
//! lack a part of that; which one, and why, is in the [`Confinement`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::config::{Config, SignIn};
use crate::metrics::{Counted, Labels};

mod found;
mod granted;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "confine/elsewhere.rs"]
mod kernel;
mod needs;
mod parts;
mod way;
mod wide;

pub use found::Found;
pub use granted::Granted;
pub use needs::{Needs, Ports, Read};
pub use parts::{NEWEST, Part};

/// Whether the process gives up what it does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confine {
    /// It gives up dumps alone.
    Off,
    /// It gives up what the kernel can take, and tells what it cannot.
    #[default]
    Auto,
    /// It gives up all of it, or does not start.
    Require,
}

impl Confine {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Require => "require",
        }
    }
}

impl FromStr for Confine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Off, Self::Auto, Self::Require];
        let named = all.into_iter().find(|it| it.as_str() == text.trim());
        named.ok_or_else(|| format!("{text:?} is none of off, auto, require"))
    }
}

/// What was given up, and what not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    mode: Confine,
    /// What was not given up, and why.
    lacks: Vec<(Part, String)>,
    /// Files of the configuration that cannot be read even if they appear.
    missing: Vec<PathBuf>,
    granted: Option<Arc<Granted>>,
}

impl Default for Confinement {
    /// Nothing was: a library's user, or a test.
    fn default() -> Self {
        Self::without(Confine::Off, &Part::ALL, "this process was not asked to")
    }
}

impl Confinement {
    pub(crate) fn without(mode: Confine, parts: &[Part], why: &str) -> Self {
        let lacks = parts.iter().map(|part| (*part, why.to_owned())).collect();
        Self { mode, lacks, missing: Vec::new(), granted: None }
    }

    /// Gives up, from this thread on, what is not among these needs; `dumps` is what became of giving up those.
    /// There is no way back.
    pub fn begin(config: &Config, needs: &Needs, dumps: Result<(), String>) -> Self {
        Self::up_to(NEWEST, config, needs, dumps)
    }

    /// The same with no more of landlock than this version of it has, as on an older kernel.
    pub fn up_to(abi: i32, config: &Config, needs: &Needs, dumps: Result<(), String>) -> Self {
        let mode = config.confine;
        let but_dumps: Vec<_> = Part::ALL.into_iter().filter(|it| *it != Part::Dumps).collect();
        let mut confinement = match (&config.source, mode) {
            (_, Confine::Off) => Self::without(mode, &but_dumps, "CAMBIST_CONFINE=off"),
            #[cfg(feature = "developer")]
            (SignIn::Developer, _) => {
                Self::without(mode, &but_dumps, "CAMBIST_SOURCE=developer runs other programs")
            }
            (SignIn::Federated(_), _) => Self::of(mode, abi, needs),
        };
        confinement.lacks.extend(dumps.err().map(|why| (Part::Dumps, why)));
        confinement
    }

    fn of(mode: Confine, abi: i32, needs: &Needs) -> Self {
        let granted = Granted::of(needs);
        let lacks = kernel::give_up(abi, needs, &granted);
        let missing = granted.missing().map(Path::to_owned).collect();
        let holds = !lacks.iter().any(|(part, _)| *part == Part::Files);
        Self { mode, lacks, missing, granted: holds.then(|| Arc::new(granted)) }
    }

    /// What may be read, if that is not everything.
    pub fn granted(&self) -> Option<&Arc<Granted>> {
        self.granted.as_ref()
    }

    /// Whether this part was given up.
    pub fn has(&self, part: Part) -> bool {
        !self.lacks.iter().any(|(lacking, _)| *lacking == part)
    }

    /// What was not given up, each with why.
    pub fn lacks(&self) -> &[(Part, String)] {
        &self.lacks
    }

    /// Why the process must not go on, if it must not.
    pub fn problem(&self) -> Option<String> {
        let lacking = self.mode == Confine::Require && !self.lacks.is_empty();
        lacking.then(|| {
            format!(
                "CAMBIST_CONFINE: require is not met: {}. Set it to auto to go on without",
                self.lacks_in_words()
            )
        })
    }

    fn lacks_in_words(&self) -> String {
        let lacks = self.lacks.iter().map(|(part, why)| format!("{part} ({why})"));
        lacks.collect::<Vec<_>>().join("; ")
    }

    /// Says at the start what was given up.
    pub(crate) fn announce(&self) {
        let held = Part::ALL.into_iter().filter(|part| self.has(*part));
        let parts = held.map(Part::as_str).collect::<Vec<_>>().join(",");
        let (mode, lacks) = (self.mode.as_str(), self.lacks_in_words());
        match (self.mode, self.lacks.is_empty()) {
            (_, true) => tracing::info!(mode, parts, "confined"),
            (Confine::Off, _) => tracing::info!(mode, parts, "not confined, as it was told"),
            _ => tracing::warn!(mode, parts, lacks, "confined, but not in every part"),
        }
        for path in &self.missing {
            let path = path.display();
            tracing::warn!(
                %path,
                "nothing is there, so that reading it was given up: what appears there is read after a restart"
            );
        }
    }

    /// What is told of it.
    pub(crate) fn status(&self) -> ConfinementStatus {
        let lacks = self.lacks.iter();
        ConfinementStatus {
            mode: self.mode.as_str(),
            parts: Part::ALL.map(|part| (part.as_str(), self.has(part))).into(),
            lacks: lacks
                .map(|(part, why)| Lack { part: part.as_str(), why: why.clone() })
                .collect(),
            missing: self.missing.clone(),
        }
    }
}

/// What is told of a confinement.
#[derive(Debug, Serialize)]
pub(crate) struct ConfinementStatus {
    pub(crate) mode: &'static str,
    /// Whether each part was given up.
    pub(crate) parts: BTreeMap<&'static str, bool>,
    pub(crate) lacks: Vec<Lack>,
    pub(crate) missing: Vec<PathBuf>,
}

/// A part that was not given up.
#[derive(Debug, Serialize)]
pub(crate) struct Lack {
    pub(crate) part: &'static str,
    pub(crate) why: String,
}

impl Counted for Confinement {
    fn register(&self, registry: &mut Registry) {
        let family = Family::<Labels<1>, Gauge>::default();
        for part in Part::ALL {
            let gauge = family.get_or_create_owned(&[("part", part.as_str())]);
            gauge.set(i64::from(self.has(part)));
        }
        let help = "Whether the process has given up this part of what it does not need";
        registry.register("confined", help, family);
    }
}

impl fmt::Display for Confine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off: nothing but dumps is given up",
            Self::Auto => {
                "auto: all else is given up; what the kernel lacks for that is told, and it goes on"
            }
            Self::Require => "require: all else is given up, or it does not start",
        })
    }
}

#[cfg(test)]
mod tests;
