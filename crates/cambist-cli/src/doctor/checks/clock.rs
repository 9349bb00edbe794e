//! This machine's clock, by what https servers say.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration::exact;

use crate::doctor::check::{Check, Fix, Judge, Judged};
use crate::doctor::facts::{Answered, Clocks, Peer, Workload};

/// Further apart than this, a clock is worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(60);

pub(super) const CHECKS: &[Check] = &[Check {
    id: "D401",
    title: "this machine's clock is right",
    looks_at: "The Date of Entra's answer, else of the issuer's.",
    fails: "It is further from this clock than CAMBIST_LEEWAY (5m): tokens seem expired, or not valid yet. From a minute on it warns.",
    remedy: "Set the clock, and have a time service keep it.",
    after: super::WAY,
    judge: Judge::Workload(clock),
}];

fn clocks(peer: Option<&Peer>) -> Option<(&str, Clocks)> {
    let peer = peer?;
    match &peer.answer {
        Ok(Answered { clocks: Some(clocks), .. }) => Some((&peer.host, *clocks)),
        _ => None,
    }
}

/// Entra's word counts before an issuer's, which anybody may host.
fn said(workload: &Workload) -> Option<(&str, Clocks)> {
    clocks(workload.entra.peer.as_ref()).or_else(|| clocks(workload.issuer.peer.as_ref()))
}

/// What the time is by whoever answered.
pub(super) fn server_time(workload: &Workload) -> Option<UnixTime> {
    said(workload).map(|(_, clocks)| clocks.there)
}

fn clock(workload: &Workload) -> Judged {
    let Some((host, Clocks { here, there })) = said(workload) else {
        return Judged::Unknown("no answer has a Date".to_owned());
    };
    let apart = here.distance(there);
    let behind = if here < there { "behind" } else { "ahead of" };
    let evidence = format!(
        "it is {here} here and {there} by the Date of {host}: {}",
        if apart.is_zero() {
            "the same".to_owned()
        } else {
            format!("this clock is {} {behind} it", exact(apart))
        }
    );
    let fix = || {
        Fix::command("chronyc makestep").and(
            " on the node, or `timedatectl set-ntp true`, and have a time service keep it: a pod has its node's clock",
        )
    };
    match apart {
        apart if apart > workload.leeway => Judged::Failed(evidence, fix()),
        apart if apart > WORTH_A_WORD => Judged::Warning(evidence, fix()),
        _ => Judged::Ok(evidence),
    }
}
