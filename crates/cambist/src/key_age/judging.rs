//! Judging, off the workers: at most one judgement at a time, each kept until what it rests on changes
//! or its minute is over. Who only reads gets the last one at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cambist_core::clock::Reading;
use cambist_core::key_age::checks::ages;
use cambist_core::key_age::enforce::refusals;
use cambist_core::key_age::{Grade, History, Known, Source, judge};
use tokio::sync::Notify;

use super::{Inner, KeyAge, Report, Seen, findings};

/// How long a judgement is good for; ages are counted in days.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(60);

/// How long somebody waits for a judgement before he goes by the last one: blocking threads are few,
/// and a dead file system may hold them.
const PATIENCE: Duration = Duration::from_secs(5);

/// The last judgement, and whether one is under way.
#[derive(Default)]
pub(super) struct Judging {
    /// How often anything changed that a judgement rests on.
    changes: AtomicU64,
    under_way: AtomicBool,
    last: ArcSwapOption<Judged>,
    done: Notify,
}

/// A judgement, and what had changed by then.
struct Judged {
    changes: u64,
    report: Arc<Report>,
}

/// The one judgement under way. Whatever becomes of it, the next one can start.
struct UnderWay(KeyAge);

impl UnderWay {
    fn end(self, judged: Option<Judged>) {
        let key_age = self.0.clone();
        let Some(judged) = judged else { return };
        let (changes, report) = (judged.changes, judged.report.clone());
        key_age.0.judging.last.store(Some(Arc::new(judged)));
        key_age.0.context.observer.keys_judged(&report);
        drop(self);
        // What changed meanwhile found this one under way and did not start its own.
        if key_age.0.judging.changes.load(Ordering::SeqCst) != changes {
            key_age.start();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let judging = &self.0.0.judging;
        judging.under_way.store(false, Ordering::SeqCst);
        judging.done.notify_waiters();
    }
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
        let judged = async {
            // Twice, since something may have changed after the judgement under way began.
            for _ in 0..2 {
                let mut done = std::pin::pin!(self.0.judging.done.notified());
                done.as_mut().enable();
                if let Some(current) = self.current() {
                    return Some(current);
                }
                self.start();
                done.await;
            }
            self.last()
        };
        tokio::time::timeout(PATIENCE, judged).await.unwrap_or_else(|_| self.last())
    }

    /// Something changed that the last judgement rests on.
    pub(super) fn judge_anew(&self) {
        self.0.judging.changes.fetch_add(1, Ordering::SeqCst);
        self.start();
    }

    fn last(&self) -> Option<Arc<Report>> {
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

    /// Judges on a thread that may take its time, unless somebody does already.
    fn start(&self) {
        if self.0.judging.under_way.swap(true, Ordering::SeqCst) {
            return;
        }
        let under_way = UnderWay(self.clone());
        let key_age = self.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let judged = tokio::task::spawn_blocking(move || key_age.judge());
                // A defect there must not stop the rest.
                under_way.end(judged.await.ok().flatten());
            })),
            Err(_) => under_way.end(key_age.judge()),
        }
    }

    /// Judges; `None` if nothing is known yet.
    fn judge(&self) -> Option<Judged> {
        let Inner { settings, context, .. } = &*self.0;
        let changes = self.0.judging.changes.load(Ordering::SeqCst);
        let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seen = seen?;
        let ledger = self.0.ledger.load_full();
        let mut ledger_problem = ledger.as_ref().and_then(|ledger| ledger.problem.clone());
        let now = self.0.heard.wall(&*context.clock);
        let now = now.unwrap_or_else(|| Reading::alone(context.clock.wall()));
        let platform = settings.platform_of(seen.history.issuer());
        let policy = settings.policy_on(platform);
        let primary = seen.primary();
        let mut known = Known {
            facts: seen.history.facts(primary, Grade::Proven),
            published: seen.published.get(&primary).cloned().unwrap_or_default(),
            signings: seen.history.signings().clone(),
            ..Known::default()
        };
        if let Some(history) = ledger.as_ref().and_then(|ledger| ledger.history.as_ref())
            && let Err(problem) = self.add_ledger(history, &mut known, &seen, primary)
        {
            ledger_problem = Some(problem);
        }
        let mut findings = findings::of(&seen, &policy, now);
        let mut judgement = judge(&known, &policy, now);
        judgement.suspect(&findings);
        findings.extend(ages(&judgement, &policy, now.at()));
        let report = Arc::new(Report {
            at: now.at(),
            platform,
            policy,
            refused: refusals(&judgement, &findings),
            judgement,
            findings,
            ledger_problem,
            looks_left_out: seen.left_out,
        });
        Some(Judged { changes, report })
    }

    /// Adds what the ledger says, believed no further than is configured; or says why not.
    fn add_ledger(
        &self,
        ledger: &History,
        known: &mut Known,
        seen: &Seen,
        primary: Source,
    ) -> Result<(), String> {
        let issuer = seen.history.issuer();
        if ledger.issuer() != issuer {
            return Err(format!(
                "the ledger is about {}, but the projected token is {issuer}'s: observe that issuer instead",
                ledger.issuer()
            ));
        }
        let trust = self.0.settings.ledger_trust.min(Grade::Attested);
        known.facts.extend(ledger.facts(primary, trust));
        let merged: &mut BTreeMap<_, _> = &mut known.signings;
        for (key, theirs) in ledger.signings() {
            merged
                .entry(*key)
                .and_modify(|ours| {
                    ours.first = ours.first.min(theirs.first);
                    ours.last = ours.last.max(theirs.last);
                    ours.expires = ours.expires.max(theirs.expires);
                })
                .or_insert(*theirs);
        }
        Ok(())
    }
}
