//! What is drawn of each key, those that are gone included.

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::Subject;
use cambist_key_age::history::Lifetime;

use super::super::tone;
use crate::report::{Report, ReportedKey};
use crate::text::{plain, shorten};
use crate::time::day;

/// Most keys that are drawn. An issuer has a few; the table has all.
const MOST: usize = 20;

/// One key over time.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    /// What it is, in a few words beside its name.
    pub(super) state: String,
    /// The same for who does not see it, with the dates.
    pub(super) words: String,
    /// The class of its bar.
    pub(super) fill: &'static str,
    pub(super) not_before: Option<UnixTime>,
    pub(super) by: Option<UnixTime>,
    pub(super) until: UnixTime,
    pub(super) signed: Option<(UnixTime, UnixTime)>,
    pub(super) rotate_by: Option<UnixTime>,
    pub(super) expire_by: Option<UnixTime>,
}

impl Lane {
    /// The moments that are to be seen.
    pub(super) fn moments(&self) -> impl Iterator<Item = UnixTime> {
        let (first, last) = self.signed.unzip();
        let ends = [self.rotate_by, self.expire_by, Some(self.until)];
        [self.not_before, self.by, first, last].into_iter().chain(ends).flatten()
    }

    /// What the policy asks of it, each with its letter.
    pub(super) fn marks(&self) -> impl Iterator<Item = (&'static str, UnixTime)> {
        let marks = [("R", self.rotate_by), ("E", self.expire_by)];
        marks.into_iter().filter_map(|(letter, at)| Some((letter, at?)))
    }
}

/// The keys that are judged, then those that are gone, the last first.
pub(super) fn lanes(report: &Report) -> Vec<Lane> {
    let judged = report.keys.iter().map(|key| of_key(report, key));
    let known = |key: Thumbprint| report.keys.iter().any(|it| it.judged.key == key);
    let mut gone: Vec<_> = report.past.lives.iter().filter(|(life, _)| !known(life.key)).collect();
    gone.sort_by_key(|(life, _)| std::cmp::Reverse(life.last));
    let gone = gone.into_iter().map(|(life, kid)| of_gone(life, kid));
    judged.chain(gone).take(MOST).collect()
}

fn of_key(report: &Report, key: &ReportedKey) -> Lane {
    let judged = &key.judged;
    let name = shorten(&plain(&key.name()));
    let state = format!("{}, {}", judged.role, judged.verdict);
    let told = |what: &str, at: Option<UnixTime>| {
        at.map(|at| format!("; {what} {}", day(at))).unwrap_or_default()
    };
    let words = format!(
        "{name}: {state}{}{}{}.",
        told("public by", judged.trusted_by),
        told("to be replaced by", judged.rotate_by),
        told("to be gone by", judged.expire_by)
    );
    let signing = report.facts.iter().filter(|it| it.key == judged.key);
    let signing = signing.filter(|it| it.subject == Subject::Signing);
    let first = signing.filter_map(|it| it.not_after).min();
    Lane {
        name,
        state,
        words,
        fill: tone(judged.verdict).fill(),
        not_before: judged.trusted_not_before,
        by: judged.trusted_by,
        until: report.now,
        signed: first.zip(judged.last_signed),
        rotate_by: judged.rotate_by,
        expire_by: judged.expire_by,
    }
}

fn of_gone(life: &Lifetime, kid: &Option<String>) -> Lane {
    let name = kid.clone().unwrap_or_else(|| life.key.to_string());
    let name = shorten(&plain(&name));
    let until = life.gone.unwrap_or(life.last);
    let words = format!("{name}: gone; published from {} to {}.", day(life.first), day(life.last));
    Lane {
        name,
        state: format!("gone since {}", day(until)),
        words,
        fill: "fill-gone",
        not_before: life.absent.map(|it| it.since()),
        by: Some(life.first),
        until: life.last,
        signed: None,
        rotate_by: None,
        expire_by: None,
    }
}
