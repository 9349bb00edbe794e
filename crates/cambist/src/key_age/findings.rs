//! Which of the numbered checks can be answered from what one process saw, and for little.
//!
//! Left to the command, which has the time and the big numbers for it: whether the keys are fit for their
//! purpose (K301 to K309). Of moduli that can be factored only those are known here that a glance tells,
//! by a small factor or ROCA's fingerprint; not those that share a prime with another key, nor those whose
//! primes are close to each other.

use cambist_core::clock::Reading;
use cambist_key_age::checks::{
    clock_is_off, exposed_keys, returned_keys, reused_kids, shared_kids, unplanned_rotation,
};
use cambist_key_age::{Finding, Platform, Policy};

use super::Seen;

/// What this process saw that is worth a word; only of the latest set and of its own history,
/// because a history's keeper tells of the rest.
pub(super) fn of(seen: &Seen, platform: Platform, policy: &Policy, now: Reading) -> Vec<Finding> {
    let (source, cadence) = (seen.primary(), platform.cadence());
    let mut out: Vec<_> = clock_is_off(now, seen.left_out, policy).into_iter().collect();
    if let Some(set) = &seen.set {
        out.extend(exposed_keys(set));
        out.extend(shared_kids(set));
        out.extend(reused_kids(&seen.history, set));
    }
    out.extend(returned_keys(&seen.history, source));
    out.extend(unplanned_rotation(&seen.history, source, cadence, policy, now.at()));
    out
}
