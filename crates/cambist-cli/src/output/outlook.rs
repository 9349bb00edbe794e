//! What a verdict means, what will happen and when, and what is to be done next.

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::rotation::Course;
use cambist_key_age::{AgeBasis, CheckId, KeyJudgement, Role, Severity, Verdict};
use serde::Serialize;

use super::shell::Line;
use crate::case::Case;
use crate::text::{plain, shorten};
use crate::time::{day, relative};

/// So many retired keys are told of, one by one.
const TOLD: usize = 3;

/// The three answers that every report has to give.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outlook {
    /// What the verdict means.
    pub(crate) means: String,
    /// What will happen, and when.
    pub(crate) ahead: Vec<String>,
    /// What is to be done next.
    pub(crate) next: Vec<Step>,
}

/// Something to do, and the command that does it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) why: String,
    pub(crate) command: Line,
}

impl Outlook {
    /// Of a case. `name` is what a key is called, `blind` that no key set could be read.
    pub(crate) fn of(case: &Case, name: &dyn Fn(Thumbprint) -> String, blind: bool) -> Self {
        let view = View::new(case, name, blind);
        Self { means: view.means(), ahead: view.ahead(), next: view.next() }
    }
}

struct View<'a> {
    case: &'a Case,
    name: &'a dyn Fn(Thumbprint) -> String,
    blind: bool,
    /// Keys of which nothing is shown, that sign or may.
    signing: Vec<&'a KeyJudgement>,
    /// The others of which nothing is shown.
    retired: Vec<&'a KeyJudgement>,
}

impl<'a> View<'a> {
    fn new(case: &'a Case, name: &'a dyn Fn(Thumbprint) -> String, blind: bool) -> Self {
        let undecided = case.judgement.keys.iter().filter(|key| key.verdict == Verdict::Unknown);
        let (mut signing, mut retired): (Vec<_>, Vec<_>) =
            undecided.partition(|key| key.role.may_sign());
        // What is decided first is what matters first; what never is comes last.
        for keys in [&mut signing, &mut retired] {
            keys.sort_by_key(|key| key.decides_at.unwrap_or(UnixTime::from_secs(i64::MAX)));
        }
        Self { case, name, blind, signing, retired }
    }

    fn verdict(&self) -> Verdict {
        self.case.judgement.verdict
    }

    fn name(&self, key: &KeyJudgement) -> String {
        shorten(&plain(&(self.name)(key.key)))
    }

    fn when(&self, at: UnixTime) -> String {
        format!("{} ({})", day(at), relative(at, self.case.now))
    }

    fn with_grace(&self, at: UnixTime) -> String {
        self.when(at + self.case.policy.grace)
    }

    fn means(&self) -> String {
        match self.verdict() {
            Verdict::Unknown => self.unknown(),
            Verdict::Ok if self.case.judgement.informs_only => {
                format!("ages are told and not judged: {} rotates by itself", self.case.platform)
            }
            Verdict::Ok => "every published key is shown to be within its limits".to_owned(),
            Verdict::Due => self.too_old("the signing key has to be replaced"),
            Verdict::Overdue => self.too_old("a key is trusted beyond its end"),
            Verdict::Suspect => {
                let ids: Vec<_> = self.suspicions().iter().map(ToString::to_string).collect();
                format!(
                    "something contradicts itself, or looks like somebody else's hand ({})",
                    ids.join(", ")
                )
            }
        }
    }

    fn unknown(&self) -> String {
        let watch = &self.case.judgement.watch;
        if self.blind {
            return "nothing was judged: no key set could be read".to_owned();
        }
        let Some(key) = self.signing.first() else {
            let Some(key) = self.retired.first() else {
                return "nothing was judged: no key is published that can be".to_owned();
            };
            let signer =
                if self.signer_is_ok() { "the signing key is OK" } else { "no key is due" };
            let many = match self.retired.len() {
                1 => format!("{} ({})", self.name(key), key.role),
                n => format!("{n} others"),
            };
            return format!("{signer}; how old {many} was at the first look, nobody saw");
        };
        match self.case.policy.basis {
            AgeBasis::Material => {
                return "not shown either way: ages count from the making of a key, which nobody sees from outside".to_owned();
            }
            AgeBasis::Activation => {
                return "not shown either way: ages count from a key's first token, which nobody saw".to_owned();
            }
            _ => {}
        }
        if let Some(most) = key.age.at_most {
            let (least, most) = (rough(key.age.at_least), rough(most));
            return format!(
                "too early to tell: the key appeared between two looks far apart, and is {least} to {most} old"
            );
        }
        match watch.since {
            Some(since) if watch.looks > 1 => format!(
                "too early to tell: the key was already there at the first look, {}, and nobody saw how old it was",
                self.when(since)
            ),
            _ => "too early to tell: this is the first look, and the key was already there; nobody saw how old it is".to_owned(),
        }
    }

    fn signer_is_ok(&self) -> bool {
        let mut keys = self.case.judgement.keys.iter();
        keys.any(|key| key.role == Role::Signer && key.verdict == Verdict::Ok)
    }

    fn too_old(&self, what: &str) -> String {
        let worst = self.worst();
        let old = worst.map_or_else(String::new, |key| {
            format!(": {} is at least {} old", self.name(key), rough(key.age.at_least))
        });
        format!("{what}{old}")
    }

    /// A key that the verdict is of.
    fn worst(&self) -> Option<&'a KeyJudgement> {
        self.case.judgement.keys.iter().find(|key| key.verdict == self.verdict())
    }

    fn ahead(&self) -> Vec<String> {
        match self.verdict() {
            Verdict::Unknown if self.blind => {
                vec!["nothing is decided before a key set can be read".to_owned()]
            }
            Verdict::Unknown => self.undecided(),
            Verdict::Ok => self.schedule(),
            Verdict::Due => {
                let ends = self.worst().and_then(|key| key.expire_by);
                let ends = ends.map(|at| {
                    format!("OVERDUE from {} unless it is gone before", self.with_grace(at))
                });
                ends.into_iter().collect()
            }
            Verdict::Overdue => {
                vec!["it stays OVERDUE until that key is no longer published".to_owned()]
            }
            Verdict::Suspect => vec!["it stays SUSPECT for as long as that is found".to_owned()],
        }
    }

    fn undecided(&self) -> Vec<String> {
        let mut out = Vec::new();
        match self.signing.first() {
            Some(key) => {
                out.push(match key.turns(&self.case.policy) {
                    Some((at, verdict)) => format!(
                        "{verdict} from {} unless the key is replaced before",
                        self.when(at)
                    ),
                    None => "waiting does not decide it".to_owned(),
                });
                out.push(
                    "OK as soon as a replacement is seen to appear here and the old key to go"
                        .to_owned(),
                );
            }
            None => {
                out.extend(self.retired.iter().take(TOLD).map(|key| match key.decides_at {
                    Some(at) => format!(
                        "OK as soon as {} is gone; OVERDUE from {} if it is published then",
                        self.name(key),
                        self.when(at)
                    ),
                    None => format!("OK as soon as {} is gone", self.name(key)),
                }));
                out.extend(self.schedule().into_iter().take(1));
            }
        }
        out
    }

    /// What a policy demands of keys that are OK.
    fn schedule(&self) -> Vec<String> {
        let keys = || self.case.judgement.keys.iter().filter(|key| key.verdict == Verdict::Ok);
        let signer =
            keys().filter(|key| key.role.may_sign()).filter_map(|key| Some((key.rotate_by?, key)));
        let signer = signer.max_by_key(|(by, _)| *by).map(|(by, key)| {
            format!(
                "{} has to be replaced by {}; DUE from {}",
                self.name(key),
                self.when(by),
                self.with_grace(by)
            )
        });
        let others =
            keys().filter(|key| !key.role.may_sign()).filter_map(|key| Some((key.expire_by?, key)));
        let others = others.take(TOLD).map(|(by, key)| {
            format!(
                "{} has to be gone by {}; OVERDUE from {}",
                self.name(key),
                self.when(by),
                self.with_grace(by)
            )
        });
        signer.into_iter().chain(others).collect()
    }

    fn next(&self) -> Vec<Step> {
        let again = &self.case.again;
        let step = |why: &str, command: Line| Step { why: why.to_owned(), command };
        let mut out = Vec::new();
        if self.blind {
            out.push(step("mend what is told below, and look again", again.check()));
            return out;
        }
        if self.verdict() == Verdict::Suspect {
            let first = self.suspicions().first().copied();
            out.extend(first.map(|id| {
                step("read what was found", Line::new("issuer explain").word(id.as_str()))
            }));
            let key = self.case.findings.iter().find(|it| it.is_suspicion()).and_then(|it| it.key);
            out.extend(key.map(|key| {
                step("and what is known of that key", again.explain(&(self.name)(key)))
            }));
            return out;
        }
        // Where the platform does it, nobody else has steps to take.
        let manual = matches!(Course::of(self.case.platform), Course::Steps { .. });
        let limited = self.case.policy.limits.is_some();
        let plan = || step("replace the key: the steps and their dates", again.plan());
        match self.verdict() {
            Verdict::Due => out.extend(manual.then(plan)),
            Verdict::Overdue => {
                out.extend(
                    self.worst().filter(|key| !key.role.may_sign()).map(|key| self.retire(key)),
                );
                out.extend(
                    (manual && self.worst().is_some_and(|key| key.role.may_sign())).then(plan),
                );
            }
            _ => {}
        }
        out.push(self.keep_looking());
        if self.verdict() == Verdict::Unknown {
            match self.signing.first() {
                Some(_) => out.extend((manual && limited).then(|| {
                    step(
                        "or replace the key now: its successor is OK from its first day",
                        again.plan(),
                    )
                })),
                None => out.extend(self.retired.first().map(|key| self.retire(key))),
            }
        }
        out
    }

    fn retire(&self, key: &KeyJudgement) -> Step {
        Step {
            why: "ask whether the old key may go".to_owned(),
            command: self.case.again.retire(&(self.name)(key.key)),
        }
    }

    fn keep_looking(&self) -> Step {
        let again = &self.case.again;
        let (why, command) = if again.collected_elsewhere() {
            (
                "collect anew where this was collected, daily, and judge all of it with one --history",
                again.observe(),
            )
        } else if again.reads_only() {
            ("look again; the history is kept by somebody else", again.check())
        } else if again.keeps() {
            ("go on looking, once a day at least (a CronJob, or --every 24h)", again.observe())
        } else {
            (
                "nothing of this look is kept; keep the next ones, one a day at least (a CronJob, or --every 24h)",
                again.observe(),
            )
        };
        Step { why: why.to_owned(), command }
    }

    /// The checks that make it SUSPECT.
    fn suspicions(&self) -> Vec<CheckId> {
        let contradicts = |id, severity| id == CheckId::K005 && severity > Severity::Info;
        let found = self.case.findings.iter();
        let found = found.filter(|it| it.is_suspicion() || contradicts(it.id, it.severity));
        let mut ids: Vec<_> = found.map(|it| it.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
