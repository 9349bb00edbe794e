use std::collections::BTreeMap;

use cambist::policy_file;
use serde_json::Value;

use super::*;
use crate::config::Config;
use crate::settings::Settings;

const SECRET_TEXT: &str = "0123456789abcdef-hunter2";

const BASE: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
    ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
    ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
];

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The keys that could be there as if they were.
fn all_keys(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let key = line.trim_start().strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
        let key = key.filter(|rest| !rest.is_empty());
        key.map_or(line.to_owned(), |key| line[..line.len() - key.len() - 1].to_owned() + key)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_file_means_what_the_variables_mean() {
    let dir = tempfile::tempdir().unwrap();
    let secret_file = dir.path().join("it's a \"secret\"");
    std::fs::write(&secret_file, SECRET_TEXT).unwrap();
    let by_variable = ("IDENTITY_HEADER", SECRET_TEXT);
    let by_file = ("CAMBIST_IDENTITY_HEADER_FILE", secret_file.to_str().unwrap());
    let imds = ("CAMBIST_PROTOCOLS", "imds, native");
    for extra in [
        &[by_variable][..],
        &[by_file],
        &[imds],
        &[imds, by_file],
        &[
            by_variable,
            imds,
            ("AZURE_TENANT_ID", "contoso.us"),
            ("AZURE_AUTHORITY_HOST", "https://login.usgovcloudapi.net"),
            ("CAMBIST_OBJECT_ID", "00000000-0000-0000-0000-00000000000a"),
            ("CAMBIST_RESOURCE_ID", "/subscriptions/s/resourceGroups/@page"),
            ("CAMBIST_PREFETCH", "https://vault.azure.net, api://a#b,null,https://a//.default,"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/tokens/one: two"),
        ],
    ] {
        let before = env(&[&BASE, extra].concat());
        let Draft { text, .. } = draft(&before);
        assert!(!text.contains("hunter2") && !text.contains('<'), "{text}");
        let path = dir.path().join("identities.yaml");
        std::fs::write(&path, &text).unwrap();
        let mut after = before.clone();
        after.retain(|name, _| !INSTEAD.contains(&name.as_str()));
        after.insert("CAMBIST_CONFIG".to_owned(), path.to_str().unwrap().to_owned());
        let [before, after] = [&before, &after].map(|env| Config::read(&Settings::of_env(env)));
        let (before, after) = (before.unwrap(), after.expect(&text));
        assert!(before.policied.is_same(&after.policied), "{text}\n{before:?}\n{after:?}");
        assert_eq!(before.warnings.len(), after.warnings.len(), "{text}\n{:?}", after.warnings);
        policy_file::read(&all_keys(&text)).expect(&text);
    }
}

#[test]
fn without_variables_it_names_what_is_to_be_filled_in() {
    let Draft { text, notes } = draft(&env(&[("AZURE_TENANT_ID", " ")]));
    let told = policy_file::load(&text, &Default::default()).unwrap_err().to_string();
    for words in [
        "tenant \"<tenant id>\"",
        "client_id: \"<client id>\" is no GUID",
        "token_file is missing, and AZURE_FEDERATED_TOKEN_FILE is not set",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identities.yaml");
    let text = text.replace("\"<tenant id>\"", "contoso.com");
    std::fs::write(&path, text.replace("\"<client id>\"", BASE[1].1)).unwrap();
    let mut env = env(&BASE);
    env.insert("CAMBIST_CONFIG".to_owned(), path.to_str().unwrap().to_owned());
    let told = Config::read(&Settings::of_env(&env)).unwrap_err().to_string();
    assert!(told.contains("the secret of the caller app: <file with the app's secret> "), "{told}");
    let missing = "AZURE_TENANT_ID, AZURE_CLIENT_ID";
    assert!(notes.len() == 1 && notes[0].contains(missing), "{notes:?}");
}

#[test]
fn it_tells_of_every_key_that_there_is() {
    let schema: Value = serde_json::from_str(policy_file::SCHEMA).unwrap();
    let text = all_keys(&draft(&env(&[])).text);
    let types = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut keys = types.filter_map(|it| it["properties"].as_object()).flat_map(|it| it.keys());
    assert!(keys.clone().count() > 20);
    assert_eq!(keys.find(|key| !text.contains(&format!("{key}:"))), None, "{text}");
}

#[test]
fn what_is_said_twice_or_no_more_is_told() {
    let both = [("IDENTITY_HEADER", SECRET_TEXT), ("CAMBIST_IDENTITY_HEADER_FILE", "/s")];
    let notes = draft(&env(&[&BASE[..], &both].concat())).notes;
    assert!(notes[0].contains("the app is known by the second"), "{notes:?}");
    assert!(notes[1].ends_with("CAMBIST_IDENTITY_HEADER_FILE") && notes.len() == 2, "{notes:?}");
}
