use super::*;

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
    assert_eq!(read(json).unwrap().mode, PolicyMode::Audit);
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
    }
}
