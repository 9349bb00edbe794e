//! Which of the numbered checks can be answered from what one process saw.

use cambist_core::clock::UnixTime;
use cambist_core::key_age::checks::{
    example_keys, returned_keys, reused_kids, secrets, shared_kids, unplanned_rotation,
};
use cambist_core::key_age::{Finding, Policy};

use super::Seen;

/// What this process saw that is worth a word; only of the latest set and of its own history,
/// because a ledger's keeper tells of the rest.
pub(super) fn of(seen: &Seen, policy: &Policy, now: UnixTime) -> Vec<Finding> {
    let source = seen.history.primary();
    let mut out = Vec::new();
    if let Some(set) = &seen.set {
        out.extend(secrets(set));
        out.extend(example_keys(set));
        out.extend(shared_kids(set));
        out.extend(reused_kids(&seen.history, set));
    }
    out.extend(returned_keys(&seen.history, source));
    if let Some(limits) = policy.limits {
        let cadence = limits.rotate_after();
        out.extend(unplanned_rotation(&seen.history, source, cadence, policy, now));
    }
    out
}
