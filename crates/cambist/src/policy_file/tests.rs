use std::path::PathBuf;

use super::*;
use crate::config::IdentityKind;
use crate::exchange::{Cloud, TenantId};
use crate::identities::{KnownBy, Mode};

const WHOLE: &str = "\
# yaml-language-server: $schema=schema.json
version: 1
mode: enforce
identities:
  - name: checkout
    tenant: 00000000-0000-4000-8000-000000000001
    client_id: 00000000-0000-4000-8000-000000000002
    prefetch: [https://vault.azure.net]
  - {name: storage, tenant: contoso.com, client_id: 00000000-0000-4000-8000-000000000003, object_id: null}
callers:
  - name: app
    secret_files: [/var/run/app/secret]
    may:
      - identity: checkout
        resources: [https://vault.azure.net, \"https://*.blob.core.windows.net\"]
default: checkout
";

fn faults(text: &str) -> Vec<String> {
    read(text).unwrap_err().faults().iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_file_is_read_and_so_is_json() {
    let file = read(WHOLE).unwrap();
    assert_eq!((file.mode, file.identities.len()), (PolicyMode::Enforce, 2));
    assert_eq!(file.callers[0].may[0].resources.len(), 2);
    assert_eq!(file.default.as_deref(), Some("checkout"));
    let json = r#"{"version": 1, "identities": [], "callers": []}"#;
    assert_eq!(
        read(json).unwrap().mode,
        PolicyMode::Enforce,
        "what is not allowed is refused, unless it is said"
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_place_and_the_nearest_name() {
    let text = "\
version: 2
mode: enforced
identitys: []
callers:
  - nme: app
    secret_files: /one
    anonymous: \"yes\"
    may:
      - identity: 7
        resources: [true]
extra: 1
";
    let told = faults(text);
    for (line, words) in [
        (1, "version: 2 is not 1"),
        (2, "mode: \"enforced\" is none of audit, enforce (did you mean enforce?)"),
        (3, "there is no \"identitys\" here (did you mean identities?)"),
        (1, "identities is missing"),
        (5, "there is no \"nme\" here (did you mean name?)"),
        (5, "name is missing"),
        (6, "callers[0].secret_files: a text is there, and a list is expected"),
        (
            7,
            "callers[0].anonymous: a text is there, and true or false is expected; write true or false",
        ),
        (
            9,
            "callers[0].may[0].identity: a whole number is there, and a text is expected; put it in quotes",
        ),
        (
            10,
            "callers[0].may[0].resources[0]: true or false is there, and a text is expected; put it in quotes",
        ),
        (11, "there is no \"extra\" here; there are"),
    ] {
        let found = told.iter().find(|it| it.contains(words));
        let found = found.unwrap_or_else(|| panic!("{words:?} is not in {told:#?}"));
        assert!(found.starts_with(&format!("line {line}, column ")), "{line}: {found}");
    }
    assert_eq!(told.len(), 11, "{told:#?}");
}

#[test]
fn what_is_no_yaml_is_told_as_such() {
    for bad in ["a: [1\n", "version: 1\nversion: 1\n", "a: *x\n"] {
        let told = faults(bad);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("no YAML that can be read"), "{told:?}");
        assert_eq!(told[0].matches("line ").count(), 1, "{told:?}");
    }
}

fn defaults() -> Defaults {
    Defaults { token_file: Some("/var/run/token".into()), ..Defaults::default() }
}

#[test]
fn names_become_places_and_what_is_not_said_is_as_by_default() {
    let text = "\
version: 1
identities:
  - {name: checkout, client_id: 00000000-0000-4000-8000-000000000002, resources: [api://a, api://b], prefetch: [api://a/.default]}
  - {name: gov, tenant: contoso.us, cloud: us-gov, client_id: 00000000-0000-4000-8000-000000000003, token_file: /gov}
  - {name: agent, kind: agent, blueprint: 00000000-0000-4000-8000-000000000004, client_id: 00000000-0000-4000-8000-000000000005}
callers:
  - {name: app, secret_files: [/a, /b], may: [{identity: gov, resources: ['*']}, {identity: checkout, resources: [api://a]}]}
  - {name: job, secret_variable: IDENTITY_HEADER_JOB, may: [{identity: agent, resources: ['*']}]}
  - {name: rest, anonymous: true, may: []}
default: gov
";
    let tenant = TenantId::parse("contoso.com").unwrap();
    let made = load(text, &Defaults { tenant_id: Some(tenant.clone()), ..defaults() }).unwrap();
    let [checkout, gov, agent] = &*made.identities else { panic!("{made:?}") };
    assert_eq!((&checkout.tenant_id, checkout.prefetch.len()), (&tenant, 1));
    assert_eq!(checkout.token_file, PathBuf::from("/var/run/token"));
    assert_eq!((gov.authority.cloud(), &*gov.token_file), (Some(Cloud::UsGov), "/gov".as_ref()));
    assert_eq!(gov.audience.as_str(), "api://AzureADTokenExchangeUSGov");
    assert!(matches!(&agent.kind, IdentityKind::Agent { blueprint } if blueprint.ends_with('4')));
    let policy = &made.policy;
    assert_eq!((policy.mode(), policy.default_identity()), (Mode::Enforce, Some(1)));
    let app = &policy.callers()[0];
    assert!(policy.allows(app, 0, "api://a") && !policy.allows(app, 0, "api://b"));
    assert!(policy.allows(app, 1, "https://x") && !policy.allows(app, 2, "https://x"));
    let files = KnownBy::Files(vec!["/a".into(), "/b".into()]);
    let variable = KnownBy::Variable("IDENTITY_HEADER_JOB".to_owned());
    assert_eq!(made.known_by, [files, variable, KnownBy::Nothing]);
    assert_eq!(made.warnings, ["the caller rest may have nothing"]);
}

#[test]
fn all_that_does_not_go_together_is_told_with_its_line() {
    let text = "\
version: 1
mode: audit
identities:
  - name: a b
    client_id: 1
    resource_id: x
    cloud: public
    authority: https://login.microsoftonline.com/
    resources: []
  - name: two
    tenant: contoso.com
    client_id: 00000000-0000-4000-8000-000000000002
    blueprint: 00000000-0000-4000-8000-000000000002
    authority: https://login.example/
    resources: [https://a*b]
    prefetch: [api://x]
  - name: two
    tenant: contoso.com
    client_id: 00000000-0000-4000-8000-000000000002
    kind: agent
callers:
  - name: app
    secret_files: [/a, /a]
    may:
      - identity: tow
        resources: ['*']
  - name: job
    secret_files: [/a]
    anonymous: true
    secret_variable: PATH
    may: []
  - name: none
    may: [{identity: two, resources: ['*']}]
default: three
";
    let text = text.replace("client_id: 1\n", "client_id: '1'\n");
    let told = load(&text, &Defaults::default()).unwrap_err();
    let told: Vec<_> = told.faults().iter().map(ToString::to_string).collect();
    for (line, words) in [
        (4, "is no name"),
        (4, "tenant is missing, and AZURE_TENANT_ID is not set"),
        (4, "token_file is missing"),
        (5, "\"1\" is no GUID"),
        (6, "is no Azure resource id"),
        (8, "cloud is there, too"),
        (9, "the list is empty"),
        (13, "only an agent has a blueprint"),
        (14, "login.example"),
        (15, "one whole label"),
        (16, "resources does not list it"),
        (17, "identities[1] is called that, too"),
        (20, "an agent needs blueprint"),
        (23, "it is there twice"),
        (25, "there is no identity \"tow\" (did you mean two?)"),
        (27, "it is known in more than one way"),
        (28, "app is known by that; each caller needs its own"),
        (30, "\"PATH\" does not begin with IDENTITY_HEADER"),
        (32, "nothing says how it is known"),
        (34, "there is no identity \"three\""),
    ] {
        let found = told
            .iter()
            .find(|it| it.starts_with(&format!("line {line}, column ")) && it.contains(words));
        assert!(found.is_some(), "{line} {words:?} is not in {told:#?}");
    }
    let twins = text.replace("    kind: agent\n", "").replace("name: two\n    tenant: contoso.com\n    client_id: 00000000-0000-4000-8000-000000000002\ncallers", "name: three\n    tenant: Contoso.com\n    client_id: 00000000-0000-4000-8000-000000000002\ncallers");
    let twins = twins
        .replace("    blueprint: 00000000-0000-4000-8000-000000000002\n", "")
        .replace("    authority: https://login.example/\n", "");
    let told = load(&twins, &defaults()).unwrap_err().to_string();
    assert!(told.contains("it has the tenant and client id of two"), "{told}");
}
