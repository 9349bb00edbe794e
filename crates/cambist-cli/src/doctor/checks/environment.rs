//! The environment, and what the workload-identity webhook puts there.

use cambist::config::ConfigFault;

use crate::doctor::check::{Check, Fix, Id, Judge, Judged};
use crate::doctor::facts::{Environment, Workload};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D101",
        title: "AZURE_CLIENT_ID is a client id",
        looks_at: "AZURE_CLIENT_ID, or --client-id.",
        fails: "It is not set, or is no GUID: a name, an object id with something around it, or a resource id.",
        remedy: "Set it to the client id of the managed identity or application; the webhook takes it from the annotation azure.workload.identity/client-id of the service account.",
        after: &[],
        judge: Judge::Workload(client_id),
    },
    Check {
        id: "D102",
        title: "AZURE_TENANT_ID is a tenant",
        looks_at: "AZURE_TENANT_ID, or --tenant-id.",
        fails: "It is not set, or is neither a GUID nor a domain name.",
        remedy: "Set it to what `az account show --query tenantId -o tsv` prints.",
        after: &[],
        judge: Judge::Workload(tenant),
    },
    Check {
        id: "D103",
        title: "AZURE_AUTHORITY_HOST is an authority of Entra's",
        looks_at: "AZURE_AUTHORITY_HOST and CAMBIST_ALLOW_AUTHORITY.",
        fails: "The URL is no https URL of an authority that is known, nor one that was allowed.",
        remedy: "Take it away for the public cloud, or set it to the authority of your cloud: docs/configuration.md has the table.",
        after: &[],
        judge: Judge::Workload(authority),
    },
    Check {
        id: "D104",
        title: "every CAMBIST_ variable is one that is read",
        looks_at: "The names of all variables that begin with CAMBIST_.",
        fails: "A name is misspelt, or is one of before, so that what it says is not heeded.",
        remedy: "Write the name as docs/configuration.md has it.",
        after: &[],
        judge: Judge::Environment(names),
    },
    Check {
        id: "D105",
        title: "what the variables say can be read",
        looks_at: "The values of CAMBIST_ and AZURE_KUBERNETES_ variables.",
        fails: "A value is not of the form that it must have, or contradicts another one.",
        remedy: "Correct the value, or take the variable away to have what holds by default.",
        after: &[],
        judge: Judge::Workload(values),
    },
    Check {
        id: "D106",
        title: "no secret in the environment goes before workload identity",
        looks_at: "Whether AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH, AZURE_USERNAME or AZURE_PASSWORD is set; not what is in it.",
        fails: "One is set: DefaultAzureCredential tries it first, and signs in with that secret or fails with it.",
        remedy: "Take it out of the container's environment, and revoke the secret if nothing else needs it.",
        after: &[],
        judge: Judge::Environment(secrets),
    },
    Check {
        id: "D107",
        title: "the pod was prepared for workload identity",
        looks_at: "Whether any of AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE is set in a pod.",
        fails: "None is: the webhook did not see this pod.",
        remedy: "Label the pod azure.workload.identity/use: \"true\" (the pod itself, not its Deployment), annotate its service account with azure.workload.identity/client-id, and make the pod anew; or set the three variables by hand.",
        after: &[],
        judge: Judge::Workload(prepared),
    },
];

fn fault<'w>(workload: &'w Workload, names: &[&str]) -> Option<&'w ConfigFault> {
    workload.faults.iter().find(|fault| names.contains(&&*fault.name))
}

/// A fault with the name of its variable.
pub(super) fn told(fault: &ConfigFault) -> String {
    // Some problems go on with the name's sentence.
    let goes_on = ["is ", "must "].iter().any(|verb| fault.problem.starts_with(verb));
    format!("{}{} {}", fault.name, if goes_on { "" } else { ":" }, fault.problem)
}

/// What is wrong with one of these variables, or what is so.
fn variable(workload: &Workload, names: &[&str], so: String, fix: Fix) -> Judged {
    const UNPREPARED: Id = "D107";
    match fault(workload, names) {
        None => Judged::Ok(so),
        Some(fault) => {
            let evidence = told(fault);
            if workload.unprepared && workload.in_pod {
                return Judged::Because(UNPREPARED, evidence, fix);
            }
            Judged::Failed(evidence, fix)
        }
    }
}

fn client_id(workload: &Workload) -> Judged {
    let so = format!("it is {}", workload.client_id.as_deref().unwrap_or("of the policy's file"));
    let fix = Fix::command("az identity show --name IDENTITY_NAME --resource-group RESOURCE_GROUP --query clientId -o tsv")
        .and(" prints it (of an application: `az ad app list --display-name NAME --query \"[].appId\" -o tsv`): set AZURE_CLIENT_ID to that, by the annotation azure.workload.identity/client-id of the pod's service account where the webhook sets it");
    variable(workload, &["AZURE_CLIENT_ID"], so, fix)
}

fn tenant(workload: &Workload) -> Judged {
    let so = format!("it is {}", workload.tenant_id.as_deref().unwrap_or("of the policy's file"));
    let fix = Fix::command("az account show --query tenantId -o tsv")
        .and(" prints it: set AZURE_TENANT_ID to that");
    variable(workload, &["AZURE_TENANT_ID"], so, fix)
}

fn authority(workload: &Workload) -> Judged {
    let so = match &workload.entra.peer {
        Some(peer) => format!("tokens are exchanged at {}", peer.host),
        None => "nothing is wrong with it".to_owned(),
    };
    let names = ["AZURE_AUTHORITY_HOST", "CAMBIST_ALLOW_AUTHORITY"];
    let name = fault(workload, &names).map_or(names[0], |fault| match &*fault.name {
        "CAMBIST_ALLOW_AUTHORITY" => names[1],
        _ => names[0],
    });
    let fix = Fix::unset(&[name]).and(
        " for the public cloud, or set AZURE_AUTHORITY_HOST to your cloud's, such as https://login.microsoftonline.us/; an authority of your own has to be in CAMBIST_ALLOW_AUTHORITY",
    );
    variable(workload, &names, so, fix)
}

fn names(environment: &Environment) -> Judged {
    let Environment { unread, renamed, .. } = environment;
    let mut evidence = Vec::new();
    let mut fix = Fix::default();
    for (name, meant) in unread {
        evidence.push(format!("nobody reads {name}"));
        fix = fix.then(match meant {
            Some(meant) => Fix::new(format!("write {meant} for {name}")),
            None => Fix::unset(&[name]).and("; docs/configuration.md has the variables there are"),
        });
    }
    for (old, new, value) in renamed {
        evidence.push(format!("{old} is {new} now"));
        fix = fix.then(Fix::set(new, value)).then(Fix::unset(&[old]));
    }
    if evidence.is_empty() {
        return Judged::Ok("each of them is read".to_owned());
    }
    Judged::Failed(evidence.join("; "), fix)
}

/// Of these, other checks tell.
const ELSEWHERE: [&str; 7] = [
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "CAMBIST_ALLOW_AUTHORITY",
    "HTTPS_PROXY",
    "CAMBIST_ISSUER",
];

fn values(workload: &Workload) -> Judged {
    let renamed = |name: &str| cambist::config::RENAMED.iter().any(|(old, _)| *old == name);
    let own = workload
        .faults
        .iter()
        .filter(|fault| !ELSEWHERE.contains(&&*fault.name) && !renamed(&fault.name));
    let own: Vec<_> = own.collect();
    if own.is_empty() {
        return Judged::Ok("all of them can be".to_owned());
    }
    let evidence: Vec<_> = own.iter().map(|it| told(it)).collect();
    let names: Vec<&str> = own.iter().map(|it| &*it.name).collect();
    let fix = Fix::new("correct it as said, or ").then(Fix::unset(&names));
    Judged::Failed(evidence.join("; "), Fix { words: fix.words.replacen("; ", "", 1), ..fix })
}

fn secrets(environment: &Environment) -> Judged {
    let secrets = &environment.secrets;
    if secrets.is_empty() {
        return Judged::Ok("none of them is set".to_owned());
    }
    let evidence = format!(
        "{} is set: DefaultAzureCredential signs in with it before it tries workload identity or an endpoint",
        secrets.join(" and ")
    );
    Judged::Failed(evidence, Fix::unset(secrets))
}

fn prepared(workload: &Workload) -> Judged {
    match (workload.unprepared, workload.in_pod) {
        (false, _) => Judged::Ok("what the webhook sets is there".to_owned()),
        (true, false) => Judged::Unknown("this is no pod".to_owned()),
        (true, true) => Judged::Failed(
            "none of AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE is set in this pod: the workload-identity webhook did not see it".to_owned(),
            Fix::new("label the pod azure.workload.identity/use: \"true\" (in the pod template's metadata, not the Deployment's), annotate its service account with azure.workload.identity/client-id, see that the webhook runs (kubectl get pods -A -l azure-workload-identity.io/system=true), and make the pod anew; or mount a projected token and set the three variables by hand"),
        ),
    }
}
