//! Changes of the policy.

use cambist_core::foreign::brief;

use super::AUDIT;
use crate::event::Reloaded;
use crate::telemetry::MESSAGE;

pub(super) fn reloaded(it: &Reloaded<'_>) {
    match it {
        Reloaded::Applied { identities, callers, warnings } => {
            for warning in *warnings {
                tracing::warn!("{}", brief(warning, MESSAGE));
            }
            tracing::info!(target: AUDIT, identities, callers, "the policy changed, and holds from now on");
        }
        Reloaded::Refused { problem } => {
            let problem = brief(problem, MESSAGE);
            tracing::error!(target: AUDIT, problem, "the policy changed and is no good; what was in force still is");
        }
        Reloaded::Unchanged => {
            tracing::info!(target: AUDIT, "the policy is again as the one in force");
        }
    }
}
