//! What a running sidecar says of itself.

use crate::doctor::check::{Check, Fix, Judge, Judged};
use crate::doctor::facts::{Sidecar, Status};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D901",
        title: "the sidecar is ready",
        looks_at: "/ready of the admin listener.",
        fails: "It does not answer, or says that it is about to end.",
        remedy: "Name its admin listener by --admin (kubectl port-forward leads there), and see its log for why it does not run.",
        after: &[],
        judge: Judge::Sidecar(ready),
    },
    Check {
        id: "D902",
        title: "the sidecar has the tokens it was asked for",
        looks_at: "The failures in /status.json.",
        fails: "A token could not be had when it was asked for last.",
        remedy: "As the message says; `kubectl exec POD -c cambist -- cambist doctor` looks at each step.",
        after: &["D901"],
        judge: Judge::Sidecar(tokens),
    },
    Check {
        id: "D903",
        title: "the policy that is there is in force",
        looks_at: "The policy in /status.json.",
        fails: "A change of the policy's file was refused, and the one before it is still in force.",
        remedy: "Correct the file as the message says; it is taken up within seconds.",
        after: &["D901"],
        judge: Judge::Sidecar(policy),
    },
    Check {
        id: "D904",
        title: "the sidecar can check tokens",
        looks_at: "The key sources in /status.json.",
        fails: "It warns if the issuer's keys could not be read the last time: tokens are then sent unchecked, or held with CAMBIST_KEY_AGE=enforce.",
        remedy: "Open the way to the issuer, or add another source to CAMBIST_KEYS.",
        after: &["D901"],
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
        Err(words) => Judged::Failed(
            words.clone(),
            Fix::command("kubectl port-forward POD 8422").and(
                " leads to the admin listener: give --admin http://127.0.0.1:8422 then; if the sidecar does not run, its log says why (kubectl logs POD -c cambist)",
            ),
        ),
    }
}

fn of(sidecar: &Sidecar, judge: impl FnOnce(&Status) -> Judged) -> Judged {
    match &sidecar.status {
        Some(status) => judge(status),
        None => Judged::Unknown("/status.json could not be read".to_owned()),
    }
}

fn tokens(sidecar: &Sidecar) -> Judged {
    of(sidecar, |status| match &status.failures[..] {
        [] => Judged::Ok(format!("it holds {}", status.held)),
        failures => {
            let told = failures
                .iter()
                .map(|(resource, reason, message)| format!("for {resource}: {reason}: {message}"));
            let fix = "mend what the message says; `kubectl exec POD -c cambist -- cambist doctor` looks at each step, and has its fix";
            Judged::Failed(told.collect::<Vec<_>>().join("; "), Fix::new(fix))
        }
    })
}

fn policy(sidecar: &Sidecar) -> Judged {
    of(sidecar, |status| match &status.refused_policy {
        None => Judged::Ok("no change was refused".to_owned()),
        Some(problem) => {
            let fix = format!("correct the file that CAMBIST_CONFIG names: {problem}");
            Judged::Failed(problem.clone(), Fix::new(fix))
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
        Judged::Warning(told.join("; "), Fix::new(fix))
    })
}
