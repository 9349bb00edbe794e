//! Faults on demand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::lock;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Target {
    /// Entra's token endpoint.
    Entra,
    /// The same behind the cluster's token proxy.
    #[serde(rename = "token-proxy")]
    TokenProxy,
    /// The issuer's discovery document.
    Discovery,
    /// The issuer's key set.
    Jwks,
    /// The API server.
    Api,
}

impl Target {
    /// Whether access tokens are asked for there.
    pub(crate) const fn grants_tokens(self) -> bool {
        matches!(self, Self::Entra | Self::TokenProxy)
    }
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum By {
    /// The pod: whatever is being tested.
    Pod,
    /// The simulated Entra, verifying an assertion.
    Entra,
}

/// Whose requests a fault meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reach {
    /// The pod's only, as when the pod's own network fails.
    #[default]
    Pod,
    /// Everybody's, the simulated Entra's included, as when the server itself fails.
    All,
}

/// One way for a request to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The usual answer, late.
    Latency(Duration),
    /// The request is taken and never answered.
    Hang,
    /// The connection breaks before there is an answer.
    Reset,
    /// A plain answer of this status, as a gateway or a throttle gives it.
    Status {
        /// The status.
        status: StatusCode,
        /// `Retry-After`: seconds, an HTTP date, or nonsense.
        retry_after: Option<String>,
    },
    /// A web page.
    Html(StatusCode),
    /// An answer without a body.
    Empty(StatusCode),
    /// The usual answer, of which the second half never arrives.
    Truncate,
    /// An error of Entra's, in Entra's own form. Meets the token endpoint only, or the token proxy,
    /// which passes it on.
    Aadsts {
        /// The number behind `AADSTS`.
        code: u32,
        /// Another status than the code's usual one.
        status: Option<StatusCode>,
        /// `Retry-After`.
        retry_after: Option<String>,
    },
    /// A redirect.
    Redirect {
        /// Where to.
        location: String,
    },
    /// Well-formed JSON of the wrong types.
    WrongType,
    /// Any answer at all.
    Body {
        /// The status.
        status: StatusCode,
        /// `Content-Type`.
        content_type: String,
        /// The body.
        body: String,
    },
    /// The documents as they were so long ago, with the `Age` and the `Date` that a cache in between would
    /// give them. Meets discovery and the key set only.
    Stale(Duration),
    /// The usual answer, its `Date` wrong by so many seconds.
    DateSkew(i64),
}

/// Faults of different phases add up; of those of one phase, one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Delay,
    Answer,
    Date,
}

impl Fault {
    fn phase(&self) -> Phase {
        match self {
            Self::Latency(_) => Phase::Delay,
            Self::DateSkew(_) => Phase::Date,
            _ => Phase::Answer,
        }
    }
}

/// A fault and whom it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever wants more than `inject` and `inject_next` says all four"
)]
pub struct Injection {
    /// The requests it meets.
    pub target: Target,
    /// What happens to them.
    pub fault: Fault,
    /// How many of them; `None` for all, until cleared.
    pub count: Option<u32>,
    /// Whose.
    pub reach: Reach,
}

/// The faults in force. Clones share them.
///
/// Counted faults are used up in the order they were given; after them the standing fault given last holds.
/// A delay, an answer and a wrong date are chosen independently of each other.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Injection>>>);

/// What is to happen to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) delay: Option<Duration>,
    pub(crate) answer: Option<Fault>,
    pub(crate) date_skew: Option<i64>,
}

impl Faults {
    /// Every request of the pod's to `target` meets `fault`, until cleared.
    pub fn inject(&self, target: Target, fault: Fault) {
        self.add(Injection { target, fault, count: None, reach: Reach::Pod });
    }

    /// The next `count` requests of the pod's to `target` meet `fault`.
    pub fn inject_next(&self, count: u32, target: Target, fault: Fault) {
        self.add(Injection { target, fault, count: Some(count), reach: Reach::Pod });
    }

    /// Adds a fault of any kind. A standing one replaces its predecessor of the same target, phase and reach.
    pub fn add(&self, new: Injection) {
        let mut injections = lock(&self.0);
        if new.count.is_none() {
            injections.retain(|old| {
                old.count.is_some()
                    || (old.target, old.reach) != (new.target, new.reach)
                    || old.fault.phase() != new.fault.phase()
            });
        }
        injections.push(new);
    }

    /// Everything works again.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    pub(crate) fn choose(&self, target: Target, by: By) -> Chosen {
        let mut injections = lock(&self.0);
        let mut chosen = Chosen::default();
        for phase in [Phase::Delay, Phase::Answer, Phase::Date] {
            let meets = |injection: &Injection| {
                injection.target == target
                    && injection.fault.phase() == phase
                    && (by == By::Pod || injection.reach == Reach::All)
                    && injection.count != Some(0)
            };
            let counted = injections.iter().position(|it| it.count.is_some() && meets(it));
            let Some(at) = counted.or_else(|| injections.iter().rposition(meets)) else { continue };
            let injection = &mut injections[at];
            injection.count = injection.count.map(|left| left - 1);
            match injection.fault.clone() {
                Fault::Latency(delay) => chosen.delay = Some(delay),
                Fault::DateSkew(seconds) => chosen.date_skew = Some(seconds),
                answer => chosen.answer = Some(answer),
            }
        }
        injections.retain(|injection| injection.count != Some(0));
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: (Target, By) = (Target::Entra, By::Pod);

    fn answer(faults: &Faults, (target, by): (Target, By)) -> Option<Fault> {
        faults.choose(target, by).answer
    }

    #[test]
    fn counted_faults_go_first_and_in_order() {
        let faults = Faults::default();
        faults.inject(Target::Entra, Fault::Hang);
        faults.inject_next(1, Target::Entra, Fault::Reset);
        faults.inject_next(2, Target::Entra, Fault::Truncate);
        let got: Vec<_> = (0..5).filter_map(|_| answer(&faults, POD)).collect();
        let want = [Fault::Reset, Fault::Truncate, Fault::Truncate, Fault::Hang, Fault::Hang];
        assert_eq!(got, want);
    }

    #[test]
    fn the_latest_standing_fault_replaces_the_one_before() {
        let faults = Faults::default();
        faults.inject(Target::Entra, Fault::Hang);
        faults.inject(Target::Entra, Fault::Reset);
        assert_eq!(answer(&faults, POD), Some(Fault::Reset));
        assert_eq!(answer(&faults, (Target::Jwks, By::Pod)), None);
        faults.clear();
        assert_eq!(answer(&faults, POD), None);
    }

    #[test]
    fn phases_add_up() {
        let faults = Faults::default();
        faults.inject(Target::Jwks, Fault::Latency(Duration::from_secs(1)));
        faults.inject(Target::Jwks, Fault::DateSkew(-600));
        faults.inject(Target::Jwks, Fault::Hang);
        let chosen = faults.choose(Target::Jwks, By::Pod);
        assert_eq!(chosen.delay, Some(Duration::from_secs(1)));
        assert_eq!(chosen.date_skew, Some(-600));
        assert_eq!(chosen.answer, Some(Fault::Hang));
    }

    #[test]
    fn entra_is_spared_unless_all_are_meant() {
        let faults = Faults::default();
        faults.inject_next(1, Target::Jwks, Fault::Hang);
        assert_eq!(answer(&faults, (Target::Jwks, By::Entra)), None);
        let (target, fault) = (Target::Jwks, Fault::Reset);
        faults.add(Injection { target, fault, count: None, reach: Reach::All });
        assert_eq!(answer(&faults, (Target::Jwks, By::Entra)), Some(Fault::Reset));
        assert_eq!(answer(&faults, (Target::Jwks, By::Pod)), Some(Fault::Hang));
    }
}
