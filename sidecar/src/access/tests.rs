use cambist_core::policy::{Caller, Identity, Mode};
use cambist_core::scope::Allowed;
use http::Request;

use super::*;
use crate::decide::decide;
use crate::testing::LOOPBACK;

const VAULT: &str = "https://vault.azure.net";
const ARM: &str = "https://management.azure.com/";
const BLOB: &str = "https://shop.blob.core.windows.net";

/// `shop` may have two identities, one of them for storage alone; `report` one; `new` has two secrets, since one
/// replaces the other; `idle` has nothing; whoever shows no secret may have one for one thing.
fn table(mode: Mode) -> Policy {
    let list =
        |entries: &[&str]| entries.iter().map(|it| it.parse().unwrap()).collect::<Vec<Allowed>>();
    let identity = |name: &str, n: u8| {
        let mut identity = Identity::new(name, format!("00000000-0000-4000-8000-00000000000{n}"));
        identity.object_id = Some(format!("0b1ec700-0000-4000-8000-00000000000{n}"));
        identity.resource_id = Some(format!("/subscriptions/s/userAssignedIdentities/{name}"));
        identity
    };
    let callers = vec![
        Caller::new("shop")
            .may(0, list(&[VAULT, "https://management.azure.com"]))
            .may(1, list(&["https://*.blob.core.windows.net"])),
        Caller::new("report").may(2, list(&["*"])),
        Caller::new("new").may(0, list(&[VAULT])),
        Caller::new("idle"),
        Caller::new("anonymous").may(1, list(&[BLOB])),
    ];
    let identities =
        vec![identity("checkout", 1), identity("storage", 2), identity("reporting", 3)];
    Policy::new(mode, identities, callers)
}

fn by(policy: Policy) -> Access {
    let secrets =
        |texts: &[&str]| Proof::Secrets(texts.iter().map(|it| Secret::new(*it)).collect());
    let proofs = vec![
        secrets(&["shop-secret"]),
        secrets(&["report-secret"]),
        secrets(&["old-secret", "new-secret"]),
        secrets(&["idle-secret"]),
        Proof::Anonymous,
    ];
    Access::new(Door::tokens(8421), Protocol::ALL.to_vec(), policy, proofs)
}

fn policy(mode: Mode) -> Access {
    by(table(mode))
}

/// Who shows this secret, or none, and asks for this of an identity selected so.
fn asked(
    policy: &Access,
    secret: Option<&str>,
    selector: &str,
    resource: &str,
) -> Result<(usize, bool), String> {
    let query = format!("resource={resource}{selector}");
    let request = match secret {
        Some(secret) => Request::get(format!("/msi/token?api-version=2019-08-01&{query}"))
            .header("x-identity-header", secret),
        None => {
            Request::get(format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}"))
                .header("metadata", "true")
        }
    };
    let request = request.header("host", "127.0.0.1:8421").body(()).unwrap();
    match decide(policy, LOOPBACK, &request) {
        Ok(decision) => Ok((decision.identity, decision.allowed)),
        Err(rejection) => Err(format!("{}: {rejection}", rejection.reason().as_str())),
    }
}

/// How each identity can be selected, the last of which nobody has.
fn selectors(identity: usize) -> [String; 3] {
    let name = ["checkout", "storage", "reporting", "nobodys"][identity];
    let n = identity + 1;
    [
        format!("&client_id=00000000-0000-4000-8000-00000000000{n}"),
        format!("&object_id=0B1EC700-0000-4000-8000-00000000000{n}"),
        format!("&mi_res_id=/subscriptions/S/userassignedidentities/{name}"),
    ]
}

#[test]
fn callers_have_what_they_may_of_each_identity_and_nothing_else() {
    // By caller and identity: what it may have of it.
    let table: [(Option<&str>, [&[&str]; 4]); 6] = [
        (Some("shop-secret"), [&[VAULT, ARM], &[BLOB], &[], &[]]),
        (Some("report-secret"), [&[], &[], &[VAULT, ARM, BLOB], &[]]),
        (Some("old-secret"), [&[VAULT], &[], &[], &[]]),
        (Some("new-secret"), [&[VAULT], &[], &[], &[]]),
        (Some("idle-secret"), [&[], &[], &[], &[]]),
        (None, [&[], &[BLOB], &[], &[]]),
    ];
    let has = |secret: Option<&str>, identity: usize| {
        !table.iter().find(|row| row.0 == secret).unwrap().1[identity].is_empty()
    };
    let mut cells = 0;
    for mode in [Mode::Audit, Mode::Enforce] {
        let policy = policy(mode);
        for (secret, row) in table {
            for (identity, may) in row.iter().enumerate() {
                for selector in selectors(identity) {
                    for resource in [VAULT, ARM, BLOB] {
                        let got = asked(&policy, secret, &selector, resource);
                        let what = format!("{mode:?} {secret:?} {selector} {resource}: {got:?}");
                        cells += 1;
                        let exists = identity < 3;
                        match (has(secret, identity), may.contains(&resource), mode) {
                            // Who only looks on keeps nobody from what there is.
                            (false, _, Mode::Audit) if exists => {
                                assert_eq!(got, Ok((identity, false)), "{what}");
                            }
                            (false, ..) => assert!(
                                got.unwrap_err().starts_with("identity_not_found"),
                                "{what}"
                            ),
                            (true, true, _) => assert_eq!(got, Ok((identity, true)), "{what}"),
                            (true, false, Mode::Audit) => {
                                assert_eq!(got, Ok((identity, false)), "{what}")
                            }
                            (true, false, _) => {
                                assert!(got.unwrap_err().starts_with("policy_denied"), "{what}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cells, 2 * 6 * 4 * 3 * 3);
}

#[test]
fn nobody_learns_whether_what_is_not_theirs_exists() {
    let policy = policy(Mode::Enforce);
    for secret in [Some("shop-secret"), Some("report-secret"), Some("idle-secret"), None] {
        for kind in 0..3 {
            let words = |identity: usize| {
                let selector = &selectors(identity)[kind];
                let said = asked(&policy, secret, selector, VAULT).unwrap_err();
                let (_, id) = selector.split_once('=').unwrap();
                said.replace(id, "ID")
            };
            // The one is another caller's, the other nobody's.
            let foreign = if secret == Some("report-secret") { 0 } else { 2 };
            assert_eq!(words(foreign), words(3), "{secret:?}");
            for other in ["reporting", "report"] {
                let own = secret == Some("report-secret");
                assert!(own || !words(3).contains(other), "{secret:?} reads of {other}");
            }
        }
    }
}

#[test]
fn a_refusal_says_whose_request_it_was() {
    let policy = policy(Mode::Enforce);
    let rejection = |secret: &str, query: &str| {
        let request = Request::get(format!("/msi/token?api-version=2019-08-01&{query}"))
            .header("host", "127.0.0.1:8421")
            .header("x-identity-header", secret);
        decide(&policy, LOOPBACK, &request.body(()).unwrap()).unwrap_err()
    };
    for query in
        ["resource=api://x", "resource=x&client_id=y", "resource=x&client_id=a&client_id=b", ""]
    {
        assert_eq!(
            rejection("report-secret", &format!("{query}&mi_res_id=z")).caller(),
            Some("report"),
            "{query}"
        );
    }
    assert_eq!(rejection("no-secret", "resource=x").caller(), None);
}

#[test]
fn none_of_several_is_guessed() {
    let shop = Some("shop-secret");
    let of_two = policy(Mode::Enforce);
    let said = asked(&of_two, shop, "", VAULT).unwrap_err();
    assert!(said.starts_with("identity_ambiguous: shop may have checkout, storage,"), "{said}");
    assert_eq!(asked(&of_two, Some("report-secret"), "", ARM), Ok((2, true)), "its only one");
    assert_eq!(asked(&of_two, None, "", BLOB), Ok((1, true)), "the only one without a secret");
    let said = asked(&of_two, Some("idle-secret"), "", VAULT).unwrap_err();
    assert!(said.starts_with("policy_denied"), "{said}");

    let with_default = by(table(Mode::Enforce).with_default(1));
    assert_eq!(asked(&with_default, shop, "", BLOB), Ok((1, true)));
    assert!(asked(&with_default, shop, "", VAULT).unwrap_err().starts_with("policy_denied"));
    // To whom the default is not given, it is none.
    assert_eq!(asked(&with_default, Some("new-secret"), "", VAULT), Ok((0, true)));
}

#[test]
fn a_secret_is_of_one_caller_and_none_is_nobodys() {
    let policy = policy(Mode::Audit);
    for wrong in ["", "shop-secre", "shop-secret2", "SHOP-SECRET", "anonymous"] {
        let said = asked(&policy, Some(wrong), "", VAULT).unwrap_err();
        assert!(said.starts_with("identity_header"), "{wrong}: {said}");
    }
    let known_alone = Access::new(
        Door::tokens(8421),
        Protocol::ALL.to_vec(),
        Policy::new(Mode::Audit, Vec::new(), vec![Caller::new("app")]),
        vec![Proof::Secrets(vec![Secret::new("s3cret")])],
    );
    assert!(asked(&known_alone, None, "", VAULT).unwrap_err().starts_with("policy_denied"));
}
