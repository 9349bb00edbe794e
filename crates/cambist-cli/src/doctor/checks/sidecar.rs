//! What a running sidecar says of itself.

use cambist::Reason;

use super::entra::{BEFORE, owner};
use crate::doctor::check::{Check, Fix, Id, Judge, Judged};
use crate::doctor::facts::{Failure, NoSidecar, Sidecar, Status};
use crate::output::shell::quoted;

/// Whatever keeps this program from a token as well, and has been seen from nearer by.
const AFTER: [Id; BEFORE.len() + 1] = {
    let mut all = ["D901"; BEFORE.len() + 1];
    let mut at = 0;
    while at < BEFORE.len() {
        all[at] = BEFORE[at];
        at += 1;
    }
    all
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D901",
        title: "the sidecar is ready",
        looks_at: "/ready of the admin listener.",
        fails: "It does not answer, which is a warning if CAMBIST_ADMIN_LISTEN alone says that it should; it says that it is about to end, or what answers is no sidecar's admin listener.",
        remedy: "Name its admin listener by --admin (kubectl port-forward leads there), and see its log for why it does not run.",
        after: &[],
        judge: Judge::Sidecar(ready),
    },
    Check {
        id: "D902",
        title: "the sidecar has the tokens it was asked for",
        looks_at: "The failures in /status.json.",
        fails: "A token could not be had when it was asked for last, and no other check sees why. It warns if an app asked for a resource that Entra does not know.",
        remedy: "As the message says; `cambist explain --resource R --admin URL` tells each step.",
        after: &AFTER,
        judge: Judge::Sidecar(tokens),
    },
    Check {
        id: "D903",
        title: "the policy that is there is in force",
        looks_at: "The policy in /status.json.",
        fails: "A change of the policy's file was refused, and the one before it is still in force.",
        remedy: "Correct the file as the message says; it is taken up within seconds.",
        after: &["D701", "D901"],
        judge: Judge::Sidecar(policy),
    },
    Check {
        id: "D904",
        title: "the sidecar can check tokens",
        looks_at: "The key sources in /status.json.",
        fails: "It warns if the issuer's keys could not be read the last time: tokens are then sent unchecked, or held with CAMBIST_KEY_AGE=enforce.",
        remedy: "Open the way to the issuer, or add another source to CAMBIST_KEYS.",
        after: &["D205", "D301", "D302", "D303", "D601", "D602", "D603", "D604", "D605", "D901"],
        judge: Judge::Sidecar(keys),
    },
];

fn ready(sidecar: &Sidecar) -> Judged {
    match &sidecar.ready {
        Ok(ready) if ready.ready => Judged::Ok(format!("{} says so", sidecar.admin)),
        Ok(ready) => Judged::Failed(
            format!("{} is not ready: {}", sidecar.admin, ready.words),
            Fix::new("wait for the new pod if this one is about to end; otherwise see the sidecar's log (kubectl logs POD -c cambist)"),
        ),
        Err(NoSidecar::Nobody(words)) if !sidecar.asked_for => Judged::Warning(
            format!("{words}, which CAMBIST_ADMIN_LISTEN names"),
            Fix::new("see the sidecar's log for why it does not run (kubectl logs POD -c cambist), or correct CAMBIST_ADMIN_LISTEN; off if there is to be none"),
        ),
        Err(NoSidecar::Nobody(words)) => Judged::Failed(
            words.clone(),
            forward().and("; if the sidecar does not run, its log says why (kubectl logs POD -c cambist)"),
        ),
        Err(NoSidecar::TokenPort) => Judged::Failed(
            format!("{} is the sidecar's port for tokens, not its admin listener", sidecar.admin),
            Fix::new("ask port 8422 instead, or the one that CAMBIST_ADMIN_LISTEN names; from outside of the pod ").joined(forward()),
        ),
        Err(NoSidecar::Refuses(words)) => Judged::Failed(
            format!("{} refuses: {words}", sidecar.admin),
            Fix::new("ask it by 127.0.0.1, or by a name that CAMBIST_ADMIN_HOSTS has; from outside of the pod ").joined(forward()),
        ),
        Err(NoSidecar::Stranger(status)) => Judged::Failed(
            format!(
                "what answers at {} is no cambist sidecar: to /ready it says {status}, and not whether it is ready",
                sidecar.admin
            ),
            forward(),
        ),
    }
}

/// The way to the admin listener.
fn forward() -> Fix {
    Fix::command("kubectl port-forward POD 8422")
        .and(" leads to the admin listener: give --admin http://127.0.0.1:8422 then")
}

fn of(sidecar: &Sidecar, judge: impl FnOnce(&Status) -> Judged) -> Judged {
    match &sidecar.status {
        Some(status) => judge(status),
        None => Judged::Unknown("/status.json could not be read".to_owned()),
    }
}

fn tokens(sidecar: &Sidecar) -> Judged {
    of(sidecar, |status| {
        let (theirs, ours): (Vec<_>, Vec<_>) =
            status.failures.iter().partition(|failure| is_an_app_s(failure));
        let told = if ours.is_empty() { theirs } else { ours };
        let Some(first) = told.first() else {
            return Judged::Ok(format!("it holds {}", status.held));
        };
        let cause = first.reason.parse().map_or("D506", owner);
        let explain = format!(
            "`cambist explain --resource {} --admin {}` tells each step",
            quoted(&first.resource),
            sidecar.admin
        );
        let evidence = once_for_each_reason(&told);
        if is_an_app_s(first) {
            let fix =
                "correct the resource in the app that asks for it, as its service documents it";
            return Judged::WarningBecause(cause, evidence, Fix::new(format!("{fix}; {explain}")));
        }
        // Entra's words have their fix behind them.
        let fix = first.reason.parse().map_or("do what the message says", Reason::remedy);
        let fix = format!("{fix}; {explain}");
        Judged::Because(cause, evidence, Fix::new(fix))
    })
}

/// Whether it is of the resource: then nothing is wrong with the sidecar, nor with what it stands on.
fn is_an_app_s(failure: &Failure) -> bool {
    matches!(failure.reason.parse(), Ok(Reason::EntraResourceUnknown | Reason::EntraScopeInvalid))
}

/// What failed for one reason is told in the words of the first, which differ in ids alone.
fn once_for_each_reason(failures: &[&Failure]) -> String {
    let mut told: Vec<(&Failure, Vec<&str>)> = Vec::new();
    for failure in failures {
        match told.iter_mut().find(|(first, _)| first.reason == failure.reason) {
            Some((_, resources)) => resources.push(&failure.resource),
            None => told.push((failure, vec![&failure.resource])),
        }
    }
    let told = told.iter().map(|(first, resources)| {
        format!("for {}: {}: {}", resources.join(", "), first.reason, first.message)
    });
    told.collect::<Vec<_>>().join("; ")
}

fn policy(sidecar: &Sidecar) -> Judged {
    of(sidecar, |status| match &status.refused_policy {
        None => Judged::Ok("no change was refused".to_owned()),
        Some(problem) => {
            let fix = "correct the file that CAMBIST_CONFIG names; it is taken up within seconds";
            Judged::Because("D701", problem.clone(), Fix::new(fix))
        }
    })
}

fn keys(sidecar: &Sidecar) -> Judged {
    of(sidecar, |status| {
        if status.key_sources.is_empty() {
            return Judged::Ok("the issuer's keys were read when they were needed last".to_owned());
        }
        let told: Vec<_> = status
            .key_sources
            .iter()
            .map(|(source, detail)| format!("{source}: {detail}"))
            .collect();
        let fix = "open the way from the pod to the issuer, or have the keys from elsewhere too: CAMBIST_KEYS=public,api, or file:PATH";
        Judged::WarningBecause("D303", told.join("; "), Fix::new(fix))
    })
}
