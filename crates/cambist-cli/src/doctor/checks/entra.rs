//! Entra's answer to one real exchange.
//!
//! What each answer means is the library's to say: its reasons decide which check fails, and its advice is
//! the fix.

use cambist::Reason;
use cambist_core::duration::rough;

use crate::doctor::az;
use crate::doctor::check::{Check, Fix, Id, Judge, Judged};
use crate::doctor::facts::{Exchange, Refused, Workload};

/// Without these nothing can be exchanged, or it is not sent.
pub(super) const BEFORE: &[Id] = &[
    "D101", "D102", "D103", "D104", "D105", "D107", "D201", "D203", "D204", "D205", "D206", "D207",
    "D208", "D209", "D301", "D302", "D303", "D304", "D306", "D401", "D601", "D602", "D603", "D604",
    "D605", "D701", "D501", "D502", "D503", "D504", "D505", "D506",
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D501",
        title: "a federated credential fits the token",
        looks_at: "Entra's answer to one exchange (left out with --no-exchange).",
        fails: "No federated credential of the identity has the token's issuer, subject and audience: AADSTS70021, 70025, 700211 to 700214, 7002137, 7002138.",
        remedy: "Add it with `az identity federated-credential create`; the finding has the line, with the token's own issuer, subject and audience.",
        after: BEFORE,
        judge: Judge::Workload(credential),
    },
    Check {
        id: "D502",
        title: "Entra knows the tenant and the identity",
        looks_at: "Entra's answer to one exchange.",
        fails: "There is no such tenant or application, it is disabled, has no service principal there, is a public client, or is in another cloud: AADSTS90002, 700016, 7000112, 7000229 and their kin.",
        remedy: "Compare AZURE_TENANT_ID and AZURE_CLIENT_ID with the identity: its client id, not its object id.",
        after: BEFORE,
        judge: Judge::Workload(identity),
    },
    Check {
        id: "D503",
        title: "Entra accepts the token",
        looks_at: "Entra's answer to one exchange.",
        fails: "Entra finds the token too old, does not know or not believe its signature, cannot fetch the issuer's keys, or takes it for none: AADSTS700024, 7000272, 7000274, 90061, 50027 and their kin.",
        remedy: "As Entra's answer says: publish the issuer for the internet, wait until a new key has spread, or mount the cluster's token.",
        after: BEFORE,
        judge: Judge::Workload(assertion),
    },
    Check {
        id: "D504",
        title: "the tenant has the resource",
        looks_at: "Entra's answer to one exchange for --resource.",
        fails: "The tenant does not know the resource, or it is disabled or misspelt: AADSTS500011, 500014, 70011, 28002 and their kin.",
        remedy: "Write the resource as its service documents it.",
        after: BEFORE,
        judge: Judge::Workload(resource),
    },
    Check {
        id: "D505",
        title: "no policy blocks the workload",
        looks_at: "Entra's answer to one exchange.",
        fails: "A Conditional Access policy, or one on federation, blocks it: AADSTS53003, 530032, 700223, 700238 and their kin.",
        remedy: "Have an administrator of the tenant admit the workload; the sign-in log of service principals names the policy.",
        after: BEFORE,
        judge: Judge::Workload(blocked),
    },
    Check {
        id: "D506",
        title: "an exchange gives a token",
        looks_at: "One real exchange of the projected token, for --resource.",
        fails: "It gives none for a reason that no other check tells: Entra asks for a pause, has trouble of its own, or answers with what is no answer of Entra's.",
        remedy: "Wait if Entra asks for that; look for a proxy or a captive portal if the answer is not Entra's.",
        after: BEFORE,
        judge: Judge::Workload(exchanged),
    },
];

/// The check that tells of a reason.
pub(super) fn owner(reason: Reason) -> Id {
    use Reason as R;
    match reason {
        R::EntraNoMatchingCredential | R::EntraWrongCredential => "D501",
        R::EntraTenantUnknown
        | R::EntraAppUnknown
        | R::EntraPublicClient
        | R::EntraWrongCloud
        | R::EntraRegionalUnsupported => "D502",
        R::EntraAssertionStale
        | R::EntraAssertionInvalid
        | R::EntraSignatureUnknown
        | R::EntraSignatureInvalid
        | R::EntraIssuerUnreachable
        | R::EntraIssuedAssertion => "D503",
        R::EntraResourceUnknown | R::EntraScopeInvalid => "D504",
        R::EntraBlockedByPolicy | R::EntraFederationBlocked => "D505",
        // What the token itself is refused for before it is sent.
        R::TokenExpired | R::TokenNotYetValid | R::TokenDates => "D203",
        R::AudienceMismatch => "D204",
        R::IssuerMismatch => "D205",
        R::DefaultServiceAccount | R::SubjectInvalid => "D206",
        R::TokenLifetime => "D207",
        R::AlgorithmRefused => "D209",
        R::UnknownKid | R::UnusableKey | R::SignatureInvalid | R::UncheckedHeld => "D304",
        R::KeyOverdue | R::KeyCompromised => "D306",
        R::ProxyUnreachable | R::ProxyAuthRequired | R::ProxyRefused => "D601",
        R::Dns => "D602",
        R::Tls | R::TlsUntrusted | R::TokenProxyTls | R::TokenProxyUntrusted => "D603",
        R::Connect | R::TokenProxyUnreachable => "D604",
        reason if reason.as_str().starts_with("token_file_") => "D201",
        _ => "D506",
    }
}

/// What Entra's answer is a consequence of, if that is seen from here as well.
fn root(reason: Reason) -> Option<Id> {
    match reason {
        Reason::EntraSignatureUnknown | Reason::EntraSignatureInvalid => Some("D304"),
        Reason::EntraIssuerUnreachable => Some("D301"),
        Reason::EntraAssertionStale => Some("D203"),
        Reason::EntraAssertionInvalid => Some("D208"),
        _ => None,
    }
}

/// One of the checks of Entra's answer.
fn of(id: Id, workload: &Workload, so: &str, fix: impl FnOnce(&Refused) -> Fix) -> Judged {
    match &workload.entra.exchange {
        Exchange::Granted(_) => Judged::Ok(so.to_owned()),
        Exchange::LeftOut => Judged::Unknown("left out (--no-exchange)".to_owned()),
        Exchange::Refused(refused) if owner(refused.reason) == id => {
            let words = refused.words.clone();
            match root(refused.reason) {
                Some(root) => Judged::Because(root, words, fix(refused)),
                None => Judged::Failed(words, fix(refused)),
            }
        }
        _ => Judged::Unknown("there was no answer to tell by".to_owned()),
    }
}

/// The library's own advice, if Entra refused.
fn advice(refused: &Refused) -> Fix {
    let ours = || refused.reason.remedy().to_owned();
    Fix::new(refused.fix.clone().unwrap_or_else(ours))
}

fn credential(workload: &Workload) -> Judged {
    of("D501", workload, "one does", |refused| {
        let token = workload.token.as_ref().ok().filter(|_| !workload.federated_elsewhere);
        let lines = token.and_then(|token| az::create(workload, token));
        let Some([identity, application]) = lines else { return advice(refused) };
        let words = format!(
            "add it: `{identity}`{}; if {} is an application: `{application}`; it takes some minutes to spread. {}",
            az::lookup(workload),
            workload.client_id.as_deref().unwrap_or("it"),
            refused.fix.as_deref().unwrap_or_default()
        );
        Fix { words, commands: vec![identity, application], ..Fix::default() }
    })
}

fn identity(workload: &Workload) -> Judged {
    of("D502", workload, "it knows both", advice)
}

fn assertion(workload: &Workload) -> Judged {
    of("D503", workload, "it does", advice)
}

fn resource(workload: &Workload) -> Judged {
    of("D504", workload, "it has", |refused| {
        advice(refused).and("; another one is asked for with --resource")
    })
}

fn blocked(workload: &Workload) -> Judged {
    of("D505", workload, "none does", advice)
}

fn exchanged(workload: &Workload) -> Judged {
    let entra = &workload.entra;
    match &entra.exchange {
        Exchange::Granted(time) => {
            Judged::Ok(format!("a token for {} that lives for {}", entra.resource, rough(*time)))
        }
        Exchange::Late(time) => Judged::Failed(
            format!("there was no answer within {time:?}"),
            Fix::new(
                "ask again, with a longer --timeout; if that does not help, see what is between this pod and Entra",
            ),
        ),
        Exchange::Refused(refused) => {
            let fix = advice(refused);
            match owner(refused.reason) {
                "D506" => Judged::Failed(refused.words.clone(), fix),
                "D501" | "D502" | "D503" | "D504" | "D505" => {
                    Judged::Unknown("another check has Entra's answer".to_owned())
                }
                other => Judged::Because(other, refused.words.clone(), fix),
            }
        }
        Exchange::LeftOut => Judged::Unknown("left out (--no-exchange)".to_owned()),
        Exchange::Impossible => Judged::Unknown("there was nothing to exchange".to_owned()),
    }
}
