//! The files of identities that people begin with: those in `examples`, and the one that the program writes.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use cambist::policy_file::{SCHEMA_URL, read};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cambist-sidecar");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the webhook sets.
const WEBHOOK: [(&str, &str); 4] = [
    ("AZURE_TENANT_ID", "44444444-0000-4000-8000-000000000001"),
    ("AZURE_CLIENT_ID", "11111111-0000-4000-8000-000000000001"),
    ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
];

/// What kubelet projects.
static TOKEN: LazyLock<String> =
    LazyLock::new(|| cambist_sim::Sim::new().unwrap().token().unwrap());

/// A container's files, without a container.
struct Container(tempfile::TempDir);

/// What a program said, and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Container {
    /// With this file of identities, and each file that it and the webhook name.
    fn with(text: &str) -> Self {
        let it = Self(tempfile::tempdir().unwrap());
        it.write("/etc/cambist/identities.yaml", &within(text));
        let named = text.split(['[', ',', ']', ' ', '\n']).map(|word| word.trim_matches('"'));
        for path in named.filter(|word| word.starts_with("/var/run/")) {
            it.write(path, &format!("the-secret-of-{path}"));
        }
        it.write(WEBHOOK[3].1, TOKEN.as_ref());
        it
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Said {
        let env = WEBHOOK.iter().chain(env).map(|(name, text)| (*name, within(text)));
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.0.path()).args(args).env_clear().envs(env);
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| without(&String::from_utf8(bytes).unwrap());
        Said { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    fn check(&self, protocols: &str) -> Said {
        let env = [
            ("CAMBIST_CONFIG", "/etc/cambist/identities.yaml"),
            ("CAMBIST_ISSUER", "https://issuer.example/"),
            ("CAMBIST_PROTOCOLS", protocols),
        ];
        self.run(&["--check-config"], &env)
    }
}

/// The same paths below the directory that the program runs in, and as long, so that columns stay as wide.
fn within(text: &str) -> String {
    text.replace("/var/run/", "var//run/").replace("/etc/cambist/", "etc//cambist/")
}

fn without(text: &str) -> String {
    text.replace("var//run/", "/var/run/").replace("etc//cambist/", "/etc/cambist/")
}

fn of_root(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// The YAML files of a directory, with their texts.
fn files(directory: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(Path::new(ROOT).join(directory)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Those in `examples`, by their names.
fn examples() -> Vec<(String, String)> {
    let all = files("examples/identities").into_iter();
    let named = all.map(|(path, text)| (path.file_stem().unwrap().to_str().unwrap().into(), text));
    named.filter(|(name, _): &(String, _)| name != "pod").collect()
}

#[test]
fn every_example_is_one_and_an_editor_completes_it() {
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for (name, text) in examples {
        let first = format!("# yaml-language-server: $schema={SCHEMA_URL}");
        assert_eq!(text.lines().next(), Some(&*first), "{name}");
        let protocols = if name == "imds" { "app-service,imds" } else { "app-service" };
        let said = Container::with(&text).check(protocols);
        assert_eq!(said.code, 0, "{name}: {said:?}");
        let warned = match &*name {
            "imds" => vec!["imds is open"],
            "least-privilege" => vec!["mode is audit"],
            _ => vec![],
        };
        let strange = said.err.lines().find(|line| !warned.iter().any(|it| line.contains(it)));
        assert_eq!(strange, None, "{name}");
    }
}

#[test]
fn what_is_no_such_file_is_refused_in_the_words_at_its_beginning() {
    let refused = files("tests/formats/refused");
    assert!(refused.len() >= 10);
    for (path, text) in refused {
        let words = text.lines().next().unwrap().trim_start_matches("# ");
        let told = read(&text).unwrap_err().to_string();
        assert!(told.contains(words), "{}: {told}", path.display());
    }
}

#[test]
fn the_pod_of_the_example_mounts_what_the_file_names() {
    let (pod, file) = (
        of_root("examples/identities/pod.yaml"),
        of_root("examples/identities/two-containers.yaml"),
    );
    assert!(pod.contains("mountPath: /var/run/secrets/cambist,"), "{pod}");
    for caller in read(&file).unwrap().callers {
        let path = format!("/var/run/secrets/cambist/{}", caller.name);
        assert_eq!(caller.secret_files[0].to_str(), Some(&*path));
        let key = format!("secretKeyRef: {{ name: cambist, key: {} }}", caller.name);
        assert!(pod.contains(&format!("- name: {}\n", caller.name)) && pod.contains(&key), "{key}");
    }
}

/// In docs/identities.md the block after the command is what it prints.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever changes the example has the page written")]
fn the_page_shows_what_is_said_of_its_example() {
    let name = "docs/identities.md";
    let page = of_root(name);
    let file = of_root("examples/identities/two-containers.yaml");
    let said = Container::with(&file).check("app-service,native");
    assert_eq!((said.code, &*said.err), (0, ""), "{said:?}");
    let end = said.out.find("policy  ").unwrap();
    let command = "\ncambist-sidecar --check-config --config identities.yaml\n";
    let (before, after) = page.split_once(command).expect("the page has the command");
    let (between, shown) = after.split_once("```text\n").expect("and what it prints");
    let (_, after) = shown.split_once("```\n").expect("a block ends");
    let made = format!("{before}{command}{between}```text\n{}```\n{after}", &said.out[end..]);
    if std::env::var_os("CAMBIST_WRITE").is_some() {
        fs::write(Path::new(ROOT).join(name), &made).unwrap();
    } else {
        assert!(made == page, "{name} is out of date: CAMBIST_WRITE=1 writes it anew:\n{made}");
    }
}

#[test]
fn a_file_is_written_from_variables_and_never_over_another() {
    let container = Container::with("");
    let secret = ("IDENTITY_HEADER", "hunter2hunter2hunter2");
    let printed = container.run(&["config", "init"], &[secret]);
    assert_eq!((printed.code, &*printed.err), (0, ""), "{printed:?}");
    let written = container.run(&["config", "init", "--output", "new.yaml"], &[secret]);
    assert_eq!((written.code, &*written.out), (0, ""), "{written:?}");
    let path = container.0.path().join("new.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(without(&text), printed.out);
    assert!(!text.contains("hunter2"), "{text}");
    let said = container.run(&["--check-config", "--config", "new.yaml"], &[secret]);
    assert_eq!((said.code, &*said.err), (0, ""), "{said:?}");

    let again = container.run(&["config", "init", "-o", "new.yaml"], &[]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("new.yaml is there already"), "{again:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let nowhere = container.run(&["config", "init", "-o", "none/new.yaml"], &[]);
    assert!(nowhere.code == 1 && nowhere.err.contains("none/new.yaml cannot be written"));
    // A template, where nothing is set.
    let bare = container.run(&["config", "init", "-o", "bare.yaml"], &[("AZURE_CLIENT_ID", "")]);
    assert!(bare.code == 0 && bare.err.contains("AZURE_CLIENT_ID"), "{bare:?}");
    let said = container.run(&["--check-config", "--config", "bare.yaml"], &[]);
    assert!(said.code == 64 && said.err.contains("<client id>"), "{said:?}");
    assert_eq!(container.run(&["config"], &[]).code, 64);
}
