//! The policy and its secrets, looked at again and again, and taken over as one when they have changed.

use std::time::Duration;

use cambist::config::ConfigFault;
use cambist::files::{Look, Watched};

use crate::access::Access;
use crate::config::{Before, Policied, PolicySource, Unusable};
use crate::event::{Event, Reloaded};
use crate::front_door::Door;
use crate::in_force::{Current, InForce, Kept};
use crate::telemetry::Telemetry;

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How soon what changed is looked at again: what is written in place is taken only once it stays as it is.
const SETTLE: Duration = Duration::from_millis(500);

/// Looks at files, and replaces what is in force.
#[derive(Debug)]
pub(crate) struct Reload {
    source: PolicySource,
    policied: Policied,
    port: u16,
    kept: Kept,
    current: Current,
    /// What the last look found, if it is to be looked at again.
    seen: Option<Result<Policied, Unusable>>,
    /// What is no good, and was told.
    refused: Option<Unusable>,
    /// Files that have nothing to do with the policy.
    beside: Option<Watched>,
}

impl Reload {
    /// What is in force first.
    pub(crate) fn first(
        source: PolicySource,
        policied: Policied,
        port: u16,
        mut kept: Kept,
    ) -> (Self, Current) {
        let credentials = kept.keep(&policied.identities.identities);
        let access = access(&source, &policied, port);
        let current = InForce::new(access, credentials).into_current();
        let ours = current.clone();
        let (seen, refused, beside) = (None, None, None);
        let it = Self { source, policied, port, kept, current: ours, seen, refused, beside };
        (it, current)
    }

    /// The same, which looks at these files, too.
    pub(crate) fn beside(self, beside: Option<Watched>) -> Self {
        Self { beside, ..self }
    }

    /// Looks at once, so that it is known what changes, and then every so often, for ever.
    pub(crate) async fn watch(mut self, every: Duration, telemetry: &Telemetry) {
        loop {
            let files = self.kept.origin().look_at_files().await;
            let beside = match &self.beside {
                Some(watched) => watched.look().await,
                None => Look::Settled,
            };
            self.look(telemetry).await;
            let soon = self.seen.is_some() || [files, beside].contains(&Look::Settling);
            tokio::time::sleep(if soon { every.min(SETTLE) } else { every }).await;
        }
    }

    async fn look(&mut self, telemetry: &Telemetry) {
        if !self.source.may_change() {
            return;
        }
        let seen = self.seen.take();
        let bad = match &seen {
            Some(Err(bad)) => Some(bad.clone()),
            _ => self.refused.clone(),
        };
        let (source, good) = (self.source.clone(), self.policied.clone());
        let read = tokio::task::spawn_blocking(move || {
            source.read(Before { good: Some(&good), bad: bad.as_ref() })
        });
        // It is lost only if the runtime ends.
        let Ok(read) = read.await else { return };
        match (seen, read) {
            (_, Ok(read)) if read.is_same(&self.policied) => {
                if self.refused.take().is_some() {
                    telemetry.tell(&Event::Reloaded(Reloaded::Unchanged));
                }
            }
            (Some(Ok(seen)), Ok(read)) if read.is_same(&seen) => self.apply(read, telemetry),
            (Some(Err(seen)), Err(read)) if read.is_same(&seen) => self.refuse(read, telemetry),
            (_, Err(read)) if self.refused.as_ref().is_some_and(|it| read.is_same(it)) => {}
            (_, read) => self.seen = Some(read),
        }
    }

    fn apply(&mut self, policied: Policied, telemetry: &Telemetry) {
        let credentials = self.kept.keep(&policied.identities.identities);
        let access = access(&self.source, &policied, self.port);
        self.current.store(InForce::new(access, credentials).into());
        self.refused = None;
        let identities = &policied.identities.identities;
        let token_files: Vec<_> = identities.iter().map(|it| &*it.token_file).collect();
        let reloaded = Reloaded::Applied {
            identities: identities.len(),
            callers: policied.proofs.len(),
            token_files: &token_files,
            warnings: &policied.warnings,
        };
        telemetry.tell(&Event::Reloaded(reloaded));
        self.policied = policied;
    }

    fn refuse(&mut self, unusable: Unusable, telemetry: &Telemetry) {
        let problem = in_words(&unusable.faults);
        telemetry.tell(&Event::Reloaded(Reloaded::Refused { problem: &problem }));
        self.refused = Some(unusable);
    }
}

fn access(source: &PolicySource, policied: &Policied, port: u16) -> Access {
    let policy = policied.identities.policy.clone();
    let (door, protocols) = (Door::tokens(port), source.protocols().to_vec());
    let access = Access::new(door, protocols, policy, policied.proofs.clone());
    if source.is_of_variables() { access.of_variables() } else { access }
}

fn in_words(faults: &[ConfigFault]) -> String {
    let faults: Vec<_> = faults.iter().map(|it| format!("{}: {}", it.name, it.problem)).collect();
    faults.join("; ")
}

#[cfg(test)]
mod tests;
