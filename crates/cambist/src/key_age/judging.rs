//! Judging, off the workers: at most one judgement at a time, each kept until what it rests on changes
//! or its minute is over. Who only reads gets the last one at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Inner, KeyAge, Report, Seen, findings};
use crate::event::{Event, KeysJudged};
use crate::flight::{Flight, Joined};
use arc_swap::ArcSwapOption;
use cambist_core::clock::Reading;
use cambist_core::issuer::IssuerUrl;
use cambist_key_age::checks::ages;
use cambist_key_age::enforce::refusals;
use cambist_key_age::{Grade, History, Known, Policy, Watch, judge};

/// How long a judgement is good for; ages are counted in days.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(60);

/// How long somebody waits for a judgement before he goes by the last one: blocking threads are few,
/// and a dead file system may hold them.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often one flight judges anew because something changed meanwhile.
const ROUNDS: u32 = 3;

/// The last judgement, and the one under way.
pub(super) struct Judging {
    /// How often anything changed that a judgement rests on.
    changes: AtomicU64,
    last: ArcSwapOption<Judged>,
    flight: Arc<Flight<Option<Arc<Report>>>>,
}

impl Default for Judging {
    fn default() -> Self {
        let (changes, last) = (AtomicU64::new(0), ArcSwapOption::empty());
        Self { changes, last, flight: Arc::new(Flight::new()) }
    }
}

/// A judgement, and what had changed by then.
struct Judged {
    changes: u64,
    issuer: IssuerUrl,
    report: Arc<Report>,
}

impl KeyAge {
    /// What was last said of the keys, at once; `None` if nothing was yet. If it may be out of date,
    /// that is looked into in the background.
    ///
    /// Outside of a tokio runtime the keys are judged here and now.
    pub fn report(&self) -> Option<Arc<Report>> {
        if self.current().is_none() {
            self.start();
        }
        self.last()
    }

    /// What is to be said of the keys by all that is known now; `None` if that is nothing. Must be
    /// called within a tokio runtime.
    pub async fn judged(&self) -> Option<Arc<Report>> {
        // Twice, since the judgement under way may have begun before the last change.
        for _ in 0..2 {
            let judged = tokio::time::timeout(PATIENCE, self.join().outcome()).await;
            if judged.is_err() || self.current().is_some() {
                break;
            }
        }
        self.last()
    }

    /// Something changed that the last judgement rests on.
    pub(super) fn judge_anew(&self) {
        self.0.judging.changes.fetch_add(1, Ordering::SeqCst);
        self.start();
    }

    fn start(&self) {
        match tokio::runtime::Handle::try_current() {
            Ok(_) => drop(self.join()),
            Err(_) => drop(self.judge().map(|judged| self.keep(judged))),
        }
    }

    fn join(&self) -> Joined<Option<Arc<Report>>> {
        let (now, known) = (self.0.context.clock.boot(), || self.current().map(Some));
        self.0.judging.flight.join(now, known, || self.clone().fly())
    }

    /// Judges on a thread that may take its time.
    async fn fly(self) -> Option<Arc<Report>> {
        let mut report = None;
        for _ in 0..ROUNDS {
            let judge = self.clone();
            let judged = tokio::task::spawn_blocking(move || judge.judge()).await;
            report = Some(self.keep(judged.ok().flatten()?));
            // What changed meanwhile found this flight under way and began none of its own.
            if self.current().is_some() {
                break;
            }
        }
        report
    }

    fn keep(&self, judged: Judged) -> Arc<Report> {
        let judged = Arc::new(judged);
        let refused = |before: &Arc<Judged>| before.report.refused == judged.report.refused;
        let as_before = self.0.judging.last.load().as_ref().is_some_and(refused);
        self.0.judging.last.store(Some(judged.clone()));
        if !as_before {
            self.0.stirred.send_replace(());
        }
        let Judged { issuer, report, .. } = &*judged;
        self.0.context.observer.event(&Event::KeysJudged(KeysJudged { issuer, report }));
        report.clone()
    }

    pub(super) fn last(&self) -> Option<Arc<Report>> {
        self.0.judging.last.load().as_ref().map(|judged| judged.report.clone())
    }

    /// The last judgement, if nothing has changed since.
    fn current(&self) -> Option<Arc<Report>> {
        let last = self.0.judging.last.load();
        let judged = last.as_ref()?;
        let now = self.0.context.clock.wall();
        let unchanged = judged.changes == self.0.judging.changes.load(Ordering::SeqCst);
        (unchanged && judged.report.at.distance(now) < GOOD_FOR).then(|| judged.report.clone())
    }

    /// Judges; `None` if nothing is known yet.
    fn judge(&self) -> Option<Judged> {
        let Inner { settings, context, .. } = &*self.0;
        let changes = self.0.judging.changes.load(Ordering::SeqCst);
        let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut seen = seen?;
        let last = self.0.last_read.load_full();
        let mut history_problem = last.as_ref().and_then(|last| last.problem.clone());
        let now = self.0.heard.wall(&*context.clock);
        let now = now.unwrap_or_else(|| Reading::alone(context.clock.wall()));
        let platform = settings.platform_of(seen.history.issuer());
        let policy = settings.policy_on(platform);
        let primary = seen.primary();
        let mut known = Known {
            facts: seen.history.facts(primary, Grade::Proven, &policy),
            published: seen.published.get(&primary).cloned().unwrap_or_default(),
            signings: seen.history.signings().clone(),
            watch: Watch::of([&*seen.history], primary),
        };
        if let Some(history) = last.as_ref().and_then(|last| last.history.as_ref())
            && let Err(problem) = self.add_history(history, &mut known, &seen, &policy)
        {
            history_problem = Some(problem);
        } else if let Some(history) = last.as_ref().and_then(|last| last.history.as_ref())
            && !history.expectations().is_empty()
        {
            // Whoever keeps the history may say which key will come.
            Arc::make_mut(&mut seen.history).take_announcements(history);
        }
        let mut findings = findings::of(&seen, platform, &policy, now);
        let mut judgement = judge(&known, &policy, now);
        judgement.suspect(&findings);
        findings.extend(ages(&judgement, &policy, now.at()));
        let told = last.as_ref().and_then(|last| last.history.as_ref());
        let kids = judgement
            .keys
            .iter()
            .filter_map(|judged| Some((judged.key, seen.kid(judged.key, told)?)));
        let report = Arc::new(Report {
            kids: kids.collect(),
            at: now.at(),
            platform,
            policy,
            refused: refusals(&judgement, &findings),
            judgement,
            findings,
            history_problem,
            looks_left_out: seen.left_out,
        });
        Some(Judged { changes, issuer: seen.issuer, report })
    }

    /// Adds what the history says, believed no further than is configured; or says why not.
    fn add_history(
        &self,
        history: &History,
        known: &mut Known,
        seen: &Seen,
        policy: &Policy,
    ) -> Result<(), String> {
        let primary = seen.primary();
        let issuer = seen.history.issuer();
        if history.issuer() != issuer {
            return Err(format!(
                "the history is about {}, but the projected token is {issuer}'s: observe that issuer instead",
                history.issuer()
            ));
        }
        let trust = self.0.settings.history_trust.min(Grade::Attested);
        known.facts.extend(history.facts(primary, trust, policy));
        known.watch = Watch::of([history, &*seen.history], primary);
        for (key, theirs) in history.signings() {
            let held = known.signings.entry(*key);
            held.and_modify(|ours| *ours = ours.join(*theirs)).or_insert(*theirs);
        }
        Ok(())
    }
}
