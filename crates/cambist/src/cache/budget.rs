//! How many new scopes may still be taken in.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use cambist_core::clock::BootTime;
use cambist_core::scope::Scope;

/// Most scopes one identity holds. An app asks for a handful; a thousand is somebody's mistake.
pub(super) const MAX_SCOPES: usize = 1000;

/// What is left for those who come back although they were turned away: a flood of scopes that are
/// asked for once each must not lock out who really needs one.
const RESERVED: usize = 100;

/// So many of those who were turned away are remembered, more or less.
const REMEMBERED: usize = 4096;

/// How many scopes that were never asked for may still be taken in: as many as there is room for at
/// once, then one a second. Whoever can ask at all could otherwise make Entra throttle the identity.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    since: BootTime,
    // A trace of each, overwritten by whoever falls on the same place. Made when first needed.
    turned_away: Option<Box<[u32]>>,
    // Of a secret of its own, so that nobody can aim at a place.
    hasher: RandomState,
}

impl Budget {
    pub(super) const REFILL: Duration = Duration::from_secs(1);

    pub(super) fn full(now: BootTime) -> Self {
        Self { left: MAX_SCOPES, since: now, turned_away: None, hasher: RandomState::new() }
    }

    /// Whether this scope may be taken in now.
    pub(super) fn spend(&mut self, scope: &Scope, now: BootTime) -> bool {
        let earned = usize::try_from(now.since(self.since).as_secs()).unwrap_or(MAX_SCOPES);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(MAX_SCOPES);
            self.since = now;
        }
        let floor = if self.left > RESERVED || self.comes_back(scope) { 0 } else { RESERVED };
        let may = self.left > floor;
        self.left -= usize::from(may);
        may
    }

    /// Whether this scope was turned away before; from now on it was.
    fn comes_back(&mut self, scope: &Scope) -> bool {
        let hash = self.hasher.hash_one(scope);
        // The lower bits say where, the upper ones who.
        let (at, trace) = (hash as usize % REMEMBERED, (hash >> 32) as u32 | 1);
        let traces = self.turned_away.get_or_insert_with(|| vec![0; REMEMBERED].into());
        traces.get_mut(at).is_some_and(|place| std::mem::replace(place, trace) == trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(name: &str) -> Scope {
        Scope::parse(&format!("{name}/.default")).unwrap()
    }

    #[test]
    fn who_comes_back_finds_room_where_a_flood_does_not() {
        let start = BootTime::default();
        let mut budget = Budget::full(start);
        let mut number = 0;
        let mut flood = |budget: &mut Budget, now| {
            number += 1;
            budget.spend(&scope(&format!("flood-{number}")), now)
        };
        let taken = (0..5000).filter(|_| flood(&mut budget, start)).count();
        assert_eq!(taken, MAX_SCOPES - RESERVED);
        let mut locked_out = 0;
        for n in 0..8u64 {
            let (now, good) = (start + Duration::from_secs(2 * n), scope(&format!("good-{n}")));
            let first = budget.spend(&good, now);
            let flooded = (0..100).filter(|_| flood(&mut budget, now)).count();
            assert!(flooded <= 2, "one a second");
            let again = now + Budget::REFILL;
            locked_out += u32::from(!first && !budget.spend(&good, again));
        }
        assert_eq!(locked_out, 0);
    }

    #[test]
    fn nobody_gets_more_than_there_is() {
        let mut budget = Budget::full(BootTime::default());
        let mut taken = 0;
        for _ in 0..3 {
            for n in 0..2000 {
                taken += usize::from(budget.spend(&scope(&format!("s{n}")), BootTime::default()));
            }
        }
        assert_eq!(taken, MAX_SCOPES);
        let later = BootTime::default() + Duration::from_secs(5);
        let more = (0..2000).filter(|n| budget.spend(&scope(&format!("s{n}")), later)).count();
        assert_eq!(more, 5);
    }
}
