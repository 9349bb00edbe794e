//! `cambist doctor`: faults seeded one by one, each found and named alone, and gone once its fix is applied.

mod app;
mod once;
mod scene;
mod sidecar;
mod workload;

use std::collections::BTreeSet;

use kit::program::{Ended, Program};
use scene::{Scene, run};
use serde_json::Value;

/// One thing that is wrong.
struct Fault {
    name: &'static str,
    /// Brings it about.
    seed: fn(&mut Scene),
    /// The checks that have to tell of it, and no others.
    found: &'static [&'static str],
    /// Words that the evidence and the fix of the first of them have.
    words: &'static [&'static str],
    mend: Mend,
}

/// How the fix is applied.
enum Mend {
    /// By the variables that the report says to set and to take away.
    Settings,
    /// By the command that the report says.
    Command,
    /// By doing what the words say; it is given the fix.
    By(fn(&mut Scene, &Value)),
}

/// Seeds each fault, holds what is found, applies the fix, and holds that nothing is wrong then.
async fn each(mut scene: Scene, faults: &[Fault]) {
    healthy(&scene, "at first").await;
    for fault in faults {
        let Fault { name, seed, found, words, mend } = fault;
        let (env, args) = (scene.env.clone(), scene.args.clone());
        seed(&mut scene);
        let report = run(&scene).await;
        assert_eq!(ailing(&report), *found, "{name}: {}", short(&report));
        let first = check(&report, found[0]);
        let told = format!("{} {}", first["evidence"], first["fix"]["words"]);
        for words in *words {
            assert!(told.contains(words), "{name}: {words:?} is not in {told}");
        }
        let failed = found.iter().any(|id| check(&report, id)["result"] == "failed");
        assert_eq!(report["exitCode"], u8::from(failed), "{name}");
        for id in *found {
            apply(&mut scene, mend, &check(&report, id)["fix"]).await;
            if matches!(mend, Mend::By(_)) {
                break;
            }
        }
        healthy(&scene, name).await;
        (scene.env, scene.args) = (env, args);
    }
    // What a case has left behind would be the next one's.
    healthy(&scene, "at last").await;
}

async fn apply(scene: &mut Scene, mend: &Mend, fix: &Value) {
    match mend {
        Mend::By(mend) => mend(scene, fix),
        Mend::Settings => {
            let (set, unset) = (fix["set"].as_object(), fix["unset"].as_array());
            assert!(set.is_some() || unset.is_some(), "there is nothing to apply in {fix}");
            for (name, value) in set.into_iter().flatten() {
                let value = value.as_str().unwrap();
                assert!(fix["words"].as_str().unwrap().contains(&format!("{name}={value}")));
                scene.env.insert(name.clone(), value.to_owned());
            }
            for name in unset.into_iter().flatten() {
                let name = name.as_str().unwrap();
                assert!(fix["words"].as_str().unwrap().contains(name));
                scene.env.remove(name);
            }
        }
        Mend::Command => {
            let command = fix["commands"][0].as_str().unwrap();
            let ended = Program::new("/bin/sh").args(&["-c", command]).set("PATH", "/usr/bin:/bin");
            assert_eq!(ended.run().await.code(), Some(0), "{command}");
        }
    }
}

async fn healthy(scene: &Scene, when: &str) {
    let report = run(scene).await;
    assert_eq!(ailing(&report), [""; 0], "{when}: {}", short(&report));
    assert_eq!(report["exitCode"], 0, "{when}");
}

fn check<'r>(report: &'r Value, id: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id} was not made"))
}

/// The checks that failed or warn.
fn ailing(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let ailing = checks.filter(|check| check["result"] == "failed" || check["result"] == "warning");
    ailing.map(|check| check["id"].as_str().unwrap()).collect()
}

/// What a failing test needs of a report.
fn short(report: &Value) -> String {
    let checks = report["checks"].as_array().unwrap().iter();
    let told = checks
        .filter(|check| check["result"] != "ok")
        .map(|check| format!("\n{} {} {}", check["id"], check["result"], check["evidence"]));
    format!("{}{}", report["place"]["words"], told.collect::<String>())
}

/// The forms, and how it ends where there is nothing to look at.
#[tokio::test]
async fn forms_and_exit_codes() {
    let scene = Scene::workload().await;
    let run = async |args: &[&str]| -> Ended { scene.program(args).run().await };
    let table = run(&[]).await;
    assert_eq!((table.code(), table.stderr.as_str()), (Some(0), ""), "{table:?}");
    assert!(table.stdout.contains("where     in a pod"), "{table:?}");
    assert!(
        table.stdout.contains("Nothing is wrong") && !table.stdout.contains('\x1b'),
        "{table:?}"
    );
    let coloured = run(&["--color", "always"]).await;
    assert!(coloured.stdout.contains("\x1b[32mok"), "{coloured:?}");
    let junit = run(&["-o", "junit", "--no-exchange"]).await;
    assert!(
        junit.stdout.starts_with("<?xml") && junit.stdout.contains("--no-exchange"),
        "{junit:?}"
    );
    for (args, words) in [
        (&["--resource", "a b"][..], "--resource"),
        (&["--admin", "127.0.0.1:1"], "http://HOST:PORT"),
        (&["--explain", "D999"], "docs/doctor.md"),
    ] {
        let refused = run(args).await;
        assert_eq!((refused.code(), refused.stdout.as_str()), (Some(64), ""), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    let explained = run(&["--explain", "d304"]).await;
    assert!(explained.stdout.contains("docs/doctor.md#d304"), "{explained:?}");
    let quiet = run(&["--no-exchange", "-o", "json"]).await;
    assert!(quiet.stdout.contains("left out (--no-exchange)"), "{quiet:?}");
    // On a laptop, by flags: the simulated Entra's address alone has no flag.
    let env = &scene.env;
    let mut laptop = Program::new(env!("CARGO_BIN_EXE_shim-cambist")).arg("doctor");
    for (flag, name) in [
        ("--token-file", "AZURE_FEDERATED_TOKEN_FILE"),
        ("--issuer", "CAMBIST_ISSUER"),
        ("--tenant-id", "AZURE_TENANT_ID"),
        ("--client-id", "AZURE_CLIENT_ID"),
        ("--ca-file", "CAMBIST_CA_FILE"),
    ] {
        laptop = laptop.args(&[flag, &env[name]]);
    }
    for name in ["AZURE_AUTHORITY_HOST", "CAMBIST_ALLOW_AUTHORITY", "CAMBIST_ADMIN_LISTEN"] {
        laptop = laptop.set(name, &env[name]);
    }
    let laptop = laptop.run().await;
    assert_eq!(laptop.code(), Some(0), "{laptop:?}");
    assert!(laptop.stdout.contains("outside of a cluster"), "{laptop:?}");
    assert!(laptop.stdout.contains("Nothing is wrong"), "{laptop:?}");
    let nowhere = Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .arg("doctor")
        .set("CAMBIST_ADMIN_LISTEN", "off");
    let nowhere = nowhere.run().await;
    assert_eq!(nowhere.code(), Some(64), "{nowhere:?}");
    assert!(nowhere.stderr.contains("there is nothing to look at"), "{nowhere:?}");
}

/// No check is there that no fault has fail, and there are more faults than the thirty that were asked for.
#[test]
fn each_check_has_a_fault() {
    let tables = workload::TABLES.into_iter().chain([app::FAULTS]);
    let faults: Vec<_> = tables.flatten().collect();
    assert!(faults.len() > 70, "{}", faults.len());
    let mut found: BTreeSet<&str> = faults.iter().flat_map(|fault| fault.found).copied().collect();
    found.extend(app::OPEN);
    found.extend(sidecar::FOUND);
    // That forgeries are refused fails where the verifier does, which is tried beside the check.
    found.insert("D210");
    let page = include_str!("../../docs/doctor.md");
    let checks: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(found, checks);
}
