//! Judging: from what is known to a verdict for each key, and for the issuer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::fact::{Fact, Grade};
use super::finding::Finding;
use super::history::Watch;
use super::interval::{Age, Conflict, Witnesses, disputes};
use super::policy::Policy;
use super::role::{self, Role, Signer, Signings};
use super::serial::seconds;
use super::verdict::{Bar, Verdict};
use cambist_core::clock::{Reading, UnixTime};
use cambist_core::jwks::Thumbprint;

/// What is known of an issuer.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever asks for a judgement fills it in: what is left out counts as not known"
)]
pub struct Known {
    /// The facts, from every source.
    pub facts: Vec<Fact>,
    /// The keys published now; none if no set could be read.
    pub published: BTreeSet<Thumbprint>,
    /// What was seen of the tokens each key signed, the one at hand included. The newest says who
    /// signs, for as long as it lives.
    pub signings: BTreeMap<Thumbprint, Signings>,
    /// How long and how well that was watched.
    pub watch: Watch,
}

/// How far a clock's error may lower ages for a verdict. What is known of it comes from a served
/// `Date`, which must not silence an alarm. (It may keep a key from being shown to be young.)
const MAX_WIDENING: Duration = Duration::from_secs(3600);

/// What is to be said of one key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyJudgement {
    /// The key.
    pub key: Thumbprint,
    /// What it is for.
    pub role: Role,
    /// Its verdict, suspicions included.
    pub verdict: Verdict,
    /// Its verdict by age alone.
    pub age_verdict: Verdict,
    /// The least grade that the verdict by age rests on; `None` if it rests on nothing: UNKNOWN, or
    /// OK for want of a policy.
    pub grade: Option<Grade>,
    /// The age that the policy judges, widened by the clocks' error.
    pub age: Age,
    /// How long others have trusted it.
    pub trust_age: Age,
    /// How long it has existed; from outside, only "at least" can be known.
    pub material_age: Age,
    /// It existed for some time before it was published.
    pub made_ahead: bool,
    /// It was not yet trusted at this moment.
    pub trusted_not_before: Option<UnixTime>,
    /// It was trusted by this moment.
    pub trusted_by: Option<UnixTime>,
    /// The newest token seen that it signed.
    pub last_signed: Option<UnixTime>,
    /// When it must be replaced, without grace; `None` for keys that do not sign any more.
    pub rotate_by: Option<UnixTime>,
    /// When it must be gone, without grace.
    pub expire_by: Option<UnixTime>,
    /// When UNKNOWN turns into DUE or OVERDUE unless a rotation is seen before.
    pub decides_at: Option<UnixTime>,
    /// The facts that the verdict rests on.
    pub evidence: Vec<Fact>,
    /// Facts that contradict each other and are both too good for that, in pairs.
    pub conflicts: Vec<Conflict>,
    /// Dates served with the key that a look refutes, each with that look; they count for nothing.
    pub disputed: Vec<Conflict>,
    /// OVERDUE on Proven or Attested facts that do not contradict each other, whatever the clock's
    /// error: what enforcement asks.
    pub overdue_beyond_doubt: bool,
}

impl KeyJudgement {
    /// When UNKNOWN is decided, and what the key is called then unless a rotation is seen before. `policy` is
    /// the one that it was judged by.
    pub fn turns(&self, policy: &Policy) -> Option<(UnixTime, Verdict)> {
        let at = self.decides_at?;
        let ends = self.expire_by.map(|by| by + policy.grace);
        let due = self.role.may_sign() && ends.is_none_or(|ends| at < ends);
        Some((at, if due { Verdict::Due } else { Verdict::Overdue }))
    }
}

/// What is to be said of an issuer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Judgement {
    /// The worst verdict of its keys, suspicions included.
    pub verdict: Verdict,
    /// When UNKNOWN turns into something else unless a rotation is seen before.
    pub decides_at: Option<UnixTime>,
    /// There are no limits: ages are told and not judged.
    pub informs_only: bool,
    /// How far this clock may be wrong. A verdict reckons with an hour of it at most.
    #[serde(serialize_with = "seconds::serialize", rename = "clockErrorSeconds")]
    pub clock_error: Duration,
    /// Which key the newest token shows to sign, and as of when.
    pub signer: Option<Signer>,
    /// How long and how well the issuer was watched, on which all of this rests.
    pub watch: Watch,
    /// Its keys: those published, and the signer if it is not.
    pub keys: Vec<KeyJudgement>,
}

/// Judges an issuer's keys at `now`, by a clock that may be wrong by as much as it says.
///
/// Keys that are neither published nor signing are not judged: they are gone.
pub fn judge(known: &Known, policy: &Policy, now: Reading) -> Judgement {
    let clock_error = now.error().max(policy.clock_error);
    let case = Case::new(known, policy, clock_error, now.at());
    let keys: Vec<_> = case.keys.iter().map(|key| case.key(*key)).collect();
    let mut out = Judgement {
        verdict: Verdict::Unknown,
        decides_at: None,
        informs_only: policy.limits.is_none(),
        clock_error,
        signer: Signer::of(&known.signings, now.at(), clock_error.min(MAX_WIDENING)),
        watch: known.watch.clone().at(now.at()),
        keys,
    };
    out.settle();
    out
}

impl Judgement {
    /// What is said of `key`, if it is published or signs.
    pub fn key(&self, key: Thumbprint) -> Option<&KeyJudgement> {
        self.keys.iter().find(|judged| judged.key == key)
    }

    /// Lets suspicions speak: a finding that makes its key suspect, or with no key the issuer.
    pub fn suspect(&mut self, findings: &[Finding]) {
        let mut issuer = false;
        for finding in findings.iter().filter(|finding| finding.is_suspicion()) {
            match self.keys.iter_mut().find(|judged| Some(judged.key) == finding.key) {
                Some(judged) => judged.verdict = Verdict::Suspect,
                None => issuer = true,
            }
        }
        self.settle();
        if issuer {
            self.verdict = Verdict::Suspect;
        }
    }

    fn settle(&mut self) {
        let worst = self.keys.iter().map(|judged| judged.verdict).max();
        self.verdict = worst.unwrap_or_default();
        let undecided = self.keys.iter().filter(|judged| judged.verdict == Verdict::Unknown);
        let decides_at = undecided.filter_map(|judged| judged.decides_at).min();
        self.decides_at = decides_at.filter(|_| self.verdict == Verdict::Unknown);
    }
}

/// Everything that the verdicts of an issuer's keys have in common.
struct Case<'a> {
    known: &'a Known,
    /// Of the keys that are judged, without what is disputed.
    facts: BTreeMap<Thumbprint, Vec<&'a Fact>>,
    disputed: BTreeMap<Thumbprint, Vec<Conflict>>,
    policy: &'a Policy,
    bar: Option<Bar>,
    /// The same with all of the clock's error, for those who act on a verdict.
    lenient: Option<Bar>,
    error: Duration,
    doubt: Duration,
    now: UnixTime,
    signer: Option<Thumbprint>,
    keys: BTreeSet<Thumbprint>,
    /// By when every published key is known to exist.
    youngest: Option<UnixTime>,
    levels: Vec<Level<'a>>,
}

/// The world as it looks to somebody who believes no fact below a grade.
struct Level<'a> {
    grade: Grade,
    witnesses: BTreeMap<Thumbprint, Witnesses<'a>>,
    none_young: bool,
}

impl<'a> Case<'a> {
    fn new(known: &'a Known, policy: &'a Policy, error: Duration, now: UnixTime) -> Self {
        let signer = Signer::of(&known.signings, now, error.min(MAX_WIDENING));
        let signer = signer.filter(|seen| seen.current).map(|seen| seen.key);
        let keys: BTreeSet<_> = known.published.iter().copied().chain(signer).collect();
        let bar = |errors| policy.limits.map(|limits| Bar::new(limits, policy.grace, errors));
        let mut facts: BTreeMap<_, Vec<_>> = keys.iter().map(|key| (*key, Vec::new())).collect();
        for fact in &known.facts {
            if let Some(on_key) = facts.get_mut(&fact.key) {
                on_key.push(fact);
            }
        }
        let (doubt, lenient) = (error, bar((error, error)));
        let error = error.min(MAX_WIDENING.max(policy.clock_error));
        let mut disputed = BTreeMap::new();
        for (key, on_key) in &mut facts {
            let found = disputes(on_key, error);
            on_key.retain(|fact| !found.iter().any(|dispute| dispute.refutes(fact)));
            disputed.insert(*key, found);
        }
        let bar = bar((error, doubt));
        let levels = Grade::ALL.into_iter().map(|grade| {
            let needed = (policy.alarm_grade.max(grade), policy.ok_grade.max(grade));
            let gather = |(key, facts): (&Thumbprint, &Vec<_>)| {
                (*key, Witnesses::gather(facts, needed, now))
            };
            let witnesses: BTreeMap<_, _> = facts.iter().map(gather).collect();
            let old = |key| {
                let age = witnesses.get(key).map(|seen| seen.age(policy.basis, now));
                bar.zip(age).is_some_and(|(bar, age)| bar.too_old_to_sign(age))
            };
            let none_young = !known.published.is_empty() && known.published.iter().all(old);
            Level { grade, witnesses, none_young }
        });
        let levels = levels.collect();
        let youngest = None;
        let case = Self {
            levels,
            known,
            facts,
            disputed,
            policy,
            bar,
            lenient,
            error,
            doubt,
            now,
            signer,
            keys,
            youngest,
        };
        let all_by: Option<Vec<_>> = known.published.iter().map(|key| case.by(*key)).collect();
        Self { youngest: all_by.and_then(|all| all.into_iter().max()), ..case }
    }

    fn witnesses(&self, level: &Level<'a>, key: Thumbprint) -> Witnesses<'a> {
        level.witnesses.get(&key).copied().unwrap_or_default()
    }

    /// All that the policy believes: what the level of the least grade sees.
    fn believed(&self, key: Thumbprint) -> Witnesses<'a> {
        self.levels.last().map(|level| self.witnesses(level, key)).unwrap_or_default()
    }

    fn by(&self, key: Thumbprint) -> Option<UnixTime> {
        self.believed(key).old(self.policy.basis).and_then(|fact| fact.not_after)
    }

    fn role(&self, key: Thumbprint) -> Role {
        let published_by = |key| self.believed(key).trusted_since().1;
        role::role(key, self.signer, &self.known.published, &self.known.signings, published_by)
    }

    fn at_level(&self, level: &Level<'a>, key: Thumbprint, role: Role) -> Verdict {
        let age = self.witnesses(level, key).age(self.policy.basis, self.now);
        self.bar.map_or(Verdict::Ok, |bar| bar.judge(role, age, level.none_young))
    }

    fn key(&self, key: Thumbprint) -> KeyJudgement {
        let (basis, now, role) = (self.policy.basis, self.now, self.role(key));
        let seen = self.believed(key);
        let age_verdict =
            self.levels.last().map_or(Verdict::Unknown, |level| self.at_level(level, key, role));
        // The strongest facts that suffice for this verdict.
        let rests = self.levels.iter().find(|level| self.at_level(level, key, role) == age_verdict);
        let decided = self.bar.is_some() && age_verdict != Verdict::Unknown;
        let telling = rests.filter(|_| decided).map_or(seen, |level| self.witnesses(level, key));
        let youth = telling.young(basis).filter(|_| age_verdict < Verdict::Due);
        let mut evidence: Vec<_> = telling.old(basis).into_iter().chain(youth).cloned().collect();
        // That whichever signs is due rests on every published key.
        if let (Role::Unknown, Verdict::Due, Some(level)) = (role, age_verdict, rests) {
            let others = self.known.published.iter().filter(|other| **other != key);
            let old = others.filter_map(|other| self.witnesses(level, *other).old(basis));
            evidence.extend(old.cloned());
        }
        let conflicts = self.conflicts(key);
        let (trust_age, material_age) = (seen.trust(now), seen.material(now));
        let (trusted_not_before, trusted_by) = seen.trusted_since();
        let by = self.by(key);
        let limit = self.policy.limits;
        let undecided = |by| Some(self.bar?.decides(role, by, self.youngest));
        KeyJudgement {
            key,
            role,
            verdict: if conflicts.is_empty() { age_verdict } else { Verdict::Suspect },
            age_verdict,
            grade: rests.filter(|_| decided).map(|level| level.grade),
            age: Age {
                at_most: seen.age(basis, now).widen(self.doubt).at_most,
                ..seen.age(basis, now).widen(self.error)
            },
            trust_age,
            material_age,
            made_ahead: trust_age
                .at_most
                .is_some_and(|most| material_age.at_least > most.saturating_add(self.error)),
            trusted_not_before,
            trusted_by,
            last_signed: self.known.signings.get(&key).map(|signings| signings.last),
            rotate_by: by
                .zip(limit)
                .filter(|_| role != Role::Verifier)
                .map(|(by, limit)| by + limit.rotate_after()),
            expire_by: by.zip(limit).map(|(by, limit)| by + limit.expire_after()),
            decides_at: by.and_then(undecided).filter(|_| age_verdict == Verdict::Unknown),
            evidence,
            conflicts,
            disputed: self.disputed.get(&key).cloned().unwrap_or_default(),
            overdue_beyond_doubt: self.overdue_beyond_doubt(key, role),
        }
    }

    /// Contradictions between facts of Attested and better. Below that, whoever serves the set could
    /// make a sound key suspect for good.
    fn conflicts(&self, key: Thumbprint) -> Vec<Conflict> {
        let ever = UnixTime::from_secs(i64::MAX);
        let facts = self.facts.get(&key).map(Vec::as_slice).unwrap_or_default();
        let grade = Grade::Attested;
        Witnesses::gather(facts, (grade, grade), ever).conflicts(self.error)
    }

    fn overdue_beyond_doubt(&self, key: Thumbprint, role: Role) -> bool {
        let attested = self.levels.iter().find(|level| level.grade == Grade::Attested);
        let overdue = |level: &Level<'a>| {
            let age = self.witnesses(level, key).age(self.policy.basis, self.now);
            self.lenient.is_some_and(|bar| bar.judge(role, age, false) == Verdict::Overdue)
        };
        attested.is_some_and(overdue) && self.conflicts(key).is_empty()
    }
}

#[cfg(test)]
mod tests;
