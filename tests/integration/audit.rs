//! The audit trail: where it goes, and that it is joined with what Entra has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::sidecar::VAULT;
use kit::{Sidecar, World};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{SIDECAR, program, sidecar, sidecar_with};

/// So many tokens are joined.
const TOKENS: usize = 1000;
/// So many sidecars ask for them: each holds fewer scopes than that.
const SIDECARS: usize = 4;

fn records(text: &str) -> Vec<Value> {
    let records = text.lines().map(|line| {
        assert!(line.len() <= 2048, "{} bytes: {line}", line.len());
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    records.collect()
}

fn of_kind<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|it| it["kind"] == kind).collect()
}

/// The request id that a sign-in log makes of a `uti`: a GUID as .NET writes it.
fn request_id(uti: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(uti).unwrap();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[tokio::test]
async fn a_thousand_records_are_joined_with_entras_journal_one_to_one() {
    let world = World::start().await;
    let mut all = Vec::new();
    for sidecar in 0..SIDECARS {
        let running = sidecar_of(&world).await;
        for n in 0..TOKENS / SIDECARS {
            let reply = running.token(&format!("api://app-{sidecar}-{n}")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        // What is refused by Entra is joined as well.
        world
            .fault(json!({"target": "entra", "kind": "aadsts", "code": 700_016, "count": 1}))
            .await;
        assert_eq!(running.token(&format!("api://none-{sidecar}")).await.status, 403);
        all.extend(records(&running.stop().await.stdout));
    }
    let journal = world.requests().await;
    let asked = journal["requests"].as_array().unwrap();
    let asked = asked.iter().filter(|it| it["target"] == "entra" && it["by"] == "pod");
    let mut by_id: BTreeMap<_, _> =
        asked.map(|it| (it["client_request_id"].as_str().unwrap().to_owned(), it)).collect();
    assert_eq!(by_id.len(), TOKENS + SIDECARS);

    let granted = of_kind(&all, "granted");
    assert_eq!(granted.len(), TOKENS);
    for record in &granted {
        let text = |name: &str| record[name].as_str().unwrap_or_else(|| panic!("{name}: {record}"));
        let entry = by_id.remove(text("client_request_id")).expect("each is there once");
        assert_eq!(entry["status"], 200);
        let resource = text("resource");
        assert_eq!(entry["scope"].as_str().unwrap(), format!("{resource}/.default"));
        assert_eq!(entry["entra_request_id"].as_str().unwrap(), text("entra_request_id"));
        assert_eq!(request_id(text("uti")), text("entra_request_id"));
        assert_eq!(entry["assertion"].as_str().unwrap(), text("jti"));
        assert_eq!(entry["client"].as_str().unwrap(), text("client_id"));
        assert_eq!((text("caller"), text("known_by")), ("app", "header_secret"));
    }
    let different: BTreeSet<_> = granted.iter().map(|it| it["token_sha256"].as_str()).collect();
    assert_eq!(different.len(), TOKENS);
    for record in of_kind(&all, "failed") {
        let entry = by_id.remove(record["client_request_id"].as_str().unwrap()).unwrap();
        assert_eq!((&entry["status"], &record["aadsts"]), (&400.into(), &700_016.into()));
        assert_eq!(entry["entra_request_id"], record["entra_request_id"]);
    }
    assert!(by_id.is_empty(), "{by_id:?}");
    world
        .secrets()
        .assert_absent("the audit trail", &all.iter().map(Value::to_string).collect::<String>());
}

/// A sidecar whose log is no longer than it has to be.
async fn sidecar_of(world: &World) -> Sidecar {
    sidecar_with(world, |it| it.set("CAMBIST_LOG", "info")).await
}

#[tokio::test]
async fn it_begins_with_what_is_served_and_ends_with_what_was_only_counted() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let tokens = sidecar.tokens().to_string();
    for _ in 0..5 {
        assert_eq!(sidecar.token(VAULT).await.status, 200);
        sidecar.send(&sidecar.app_service(VAULT).header("Origin", "null")).await;
    }
    let all = records(&sidecar.stop().await.stdout);
    let (first, last) = (all.first().unwrap(), all.last().unwrap());
    assert_eq!((&first["kind"], &last["kind"]), (&"started".into(), &"ended".into()));
    assert!(first["tokens_on"].as_str().unwrap().contains(&tokens), "{first}");
    assert_eq!((&first["schema"], &last["cut_off"]), (&1.into(), &0.into()));
    let repeated = of_kind(&all, "repeated");
    let repeated: BTreeSet<_> = repeated
        .iter()
        .map(|it| (it["outcome"].as_str().unwrap(), it["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(repeated, [("granted", 4), ("refused", 4)].into());
}

#[tokio::test]
async fn a_file_has_what_standard_output_would_and_is_nobody_elses_to_read() {
    let world = World::start().await;
    let path = world.dir().join("audit.jsonl");
    let place = path.to_str().unwrap();
    for times in [1, 2] {
        let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_AUDIT", place)).await;
        assert_eq!(sidecar.token(VAULT).await.status, 200);
        assert_eq!(sidecar.stop().await.stdout, "");
        let text = std::fs::read_to_string(&path).unwrap();
        world.secrets().assert_absent("the audit trail", &text);
        let all = records(&text);
        let granted = of_kind(&all, "granted");
        assert_eq!((granted.len(), granted[0]["resource"].as_str()), (times, Some(VAULT)));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let checked = program(&world).set("CAMBIST_AUDIT", place).arg("--check-config").run().await;
    for line in
        [format!("audit trail      {place}"), format!("writes           {place} (the audit trail)")]
    {
        assert!(checked.stdout.contains(&line), "{line} is not in {checked:?}");
    }
    for (place, words) in
        [("stderr", "none of stdout, off, /PATH"), ("/dev/null", "neither a file nor a FIFO")]
    {
        let ended = program(&world).set("CAMBIST_AUDIT", place).run().await;
        assert_eq!(ended.code(), Some(64), "{ended:?}");
        assert!(
            ended.stderr.starts_with("CAMBIST_AUDIT: ") && ended.stderr.contains(words),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn without_a_trail_of_its_own_all_of_it_is_in_the_log() {
    let world = World::start().await;
    let sidecar =
        sidecar_with(&world, |it| it.set("CAMBIST_AUDIT", "off").set("CAMBIST_LOG", "info")).await;
    sidecar.token(VAULT).await;
    sidecar.token(VAULT).await;
    sidecar.send(&sidecar.app_service(VAULT).header("Origin", "null")).await;
    world.fault(json!({"target": "entra", "kind": "aadsts", "code": 700_213, "count": 1})).await;
    sidecar.token("api://none").await;
    let ended = sidecar.stop().await;
    assert_eq!(ended.stdout, "");
    let lines: Vec<Value> =
        ended.stderr.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let of = |message: &str| {
        let mine =
            |it: &&Value| it["message"] == message && it["target"] == "cambist_sidecar::audit";
        lines.iter().find(mine).unwrap_or_else(|| panic!("no {message} in {}", ended.stderr))
    };
    assert_eq!(
        (&of("granted")["level"], &of("granted")["resource"]),
        (&"INFO".into(), &VAULT.into())
    );
    assert_eq!(
        (&of("refused")["level"], &of("refused")["reason"]),
        (&"WARN".into(), &"browser".into())
    );
    assert_eq!(
        (&of("failed")["level"], &of("failed")["aadsts"]),
        (&"WARN".into(), &700_213.into())
    );
    assert_eq!(of("repeated")["count"], 1);
}

/// Both ends of a terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let theirs = rustix::fs::open(&*name, flags, rustix::fs::Mode::empty()).unwrap();
    (ours, theirs)
}

/// What a sidecar shows on a terminal, from its start to its end.
fn shown(world: &World, settings: &[(&str, &str)]) -> String {
    let (ours, theirs) = terminal();
    let mut command = Command::new(SIDECAR);
    command.env_clear().envs(world.env()).envs(settings.iter().copied());
    command.env("CAMBIST_LISTEN", "0").env("CAMBIST_ADMIN_LISTEN", "0");
    let (out, err) = (theirs.try_clone().unwrap(), theirs);
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
    // It holds the other end as well.
    drop(command);
    let (mut ours, mut text, mut told) = (std::fs::File::from(ours), Vec::new(), false);
    let mut some = [0; 4096];
    // With nobody at the other end any more, reading fails.
    while let Ok(read @ 1..) = ours.read(&mut some) {
        text.extend_from_slice(&some[..read]);
        let so_far = String::from_utf8_lossy(&text);
        if !told && so_far.contains("serving") && so_far.contains("started") {
            told = true;
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        }
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_at_a_terminal_read_lines_and_programs_get_json() {
    let world = World::start().await;
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let plain = shown(&world, &[("NO_COLOR", "1")]);
    for line in lines(&plain) {
        let (at, rest) = line.split_once("Z ").unwrap_or_else(|| panic!("{line}"));
        assert_eq!((at.len(), &at[2..3], &at[5..6], &at[8..9]), (12, ":", ":", "."), "{line}");
        let level = rest.split_whitespace().next().unwrap();
        assert!(["INFO", "WARN", "AUDIT"].contains(&level), "{line}");
    }
    assert!(plain.contains("  INFO serving version="), "{plain}");
    assert!(
        plain.contains(" AUDIT started ") && plain.contains(" AUDIT ended cut_off=0"),
        "{plain}"
    );
    assert!(!plain.contains('\u{1b}'), "{plain:?}");

    let coloured = shown(&world, &[]);
    assert!(coloured.contains("\u{1b}[32m INFO\u{1b}[0m serving"), "{coloured:?}");
    let json = shown(&world, &[("CAMBIST_LOG_FORMAT", "json")]);
    assert!(lines(&json).iter().all(|it| serde_json::from_str::<Value>(it).is_ok()), "{json}");
    for text in [&plain, &coloured, &json] {
        world.secrets().assert_absent("a terminal", text);
    }

    // A trail that is collected stays as it is, however the log looks.
    let sidecar = program(&world).set("CAMBIST_LOG_FORMAT", "text").spawn();
    sidecar.line("where it serves", |line| line.contains("INFO serving").then_some(())).await;
    sidecar.signal(Signal::TERM);
    let ended = sidecar.ended().await;
    assert!(!ended.stderr.contains('{') && !ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    assert_eq!(of_kind(&records(&ended.stdout), "started").len(), 1);
}
