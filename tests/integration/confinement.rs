//! What the sidecar has given up is gone: a process that has given up the same tries to break out.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::Command;

use kit::sidecar::VAULT;
use kit::{Program, Sidecar, World, eventually};
use serde_json::json;

use crate::{SIDECAR, program, sidecar_with};

const CONFINED: &str = env!("CARGO_BIN_EXE_shim-confined");
const NEWEST: i32 = cambist_sidecar::confine::NEWEST;

const DONE: i32 = 0;
const NOT_PERMITTED: i32 = 1;
const DENIED: i32 = 13;

/// What became of the attempts of a process that has given up what a sidecar with these settings does.
async fn attempt(
    world: &World,
    abi: i32,
    confine: &str,
    attempts: &[String],
) -> BTreeMap<String, i32> {
    let mut program = confined(world, confine).arg(abi.to_string());
    program = attempts.iter().fold(program, Program::arg);
    let ended = program.run().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let line = |line: &str| {
        let (attempt, errno) = line.rsplit_once(' ')?;
        Some((attempt.to_owned(), errno.parse().ok()?))
    };
    ended.stdout.lines().filter_map(line).collect()
}

/// Listening on ports of its own, so that others are not.
fn confined(world: &World, confine: &str) -> Program {
    let own = [("CAMBIST_LISTEN", "8421"), ("CAMBIST_CONFINE", confine)];
    let env = world.env().iter().map(|(name, value)| (&**name, &**value));
    let named = env.filter(|(name, _)| !name.starts_with("SIM_"));
    named.chain(own).fold(Program::new(CONFINED), |program, (name, value)| program.set(name, value))
}

/// Whether this kernel has all that is tried here.
async fn has(world: &World, abi: i32) -> bool {
    let lacks = attempt(world, abi, "auto", &[]).await;
    let all = Command::new("true").status().is_ok() && abi == NEWEST && lacks.is_empty();
    if !all {
        println!("SKIPPED: this kernel, or a seccomp filter, lacks {:?}", lacks.keys());
    }
    all
}

#[tokio::test]
async fn nothing_that_was_given_up_can_be_had_from_within() {
    let world = World::start().await;
    if !has(&world, NEWEST).await {
        return;
    }
    let dir = world.dir().display();
    let token = world.token_file();
    let tokens = token.parent().unwrap().display();
    let beside = world.dir().join("beside");
    std::fs::write(&beside, "x").unwrap();
    let device = token.parent().unwrap().join("device");
    let made = Command::new("mknod").arg(&device).args(["-m", "666", "c", "1", "3"]).status();
    let device = device.display();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let entra =
        world.env()["AZURE_AUTHORITY_HOST"].trim_end_matches('/').rsplit_once(':').unwrap().1;
    let name = format!("cambist-{}-{port}", std::process::id());
    let _socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = other.id();
    // What is needed can be had.
    let mut cases = vec![
        (format!("read:{}", token.display()), DONE, DONE),
        ("read:/etc/hosts".to_owned(), DONE, DONE),
        (format!("connect:{entra}"), DONE, DONE),
    ];
    let denied = |attempt: String| (attempt, DONE, DENIED);
    cases.extend([
        denied("read:/etc/passwd".to_owned()),
        denied(format!("read:{}", beside.display())),
        denied(format!("read:/proc/{pid}/environ")),
        denied("read:/proc/self/mem".to_owned()),
        denied("list:/".to_owned()),
        denied(format!("list:{dir}")),
        denied(format!("create:{dir}/new")),
        denied(format!("create:{tokens}/new")),
        denied(format!("mkdir:{dir}/newdir")),
        denied(format!("link:{tokens}/newlink")),
        denied(format!("write:{}", beside.display())),
        denied("run:/bin/true".to_owned()),
        denied(format!("run:{CONFINED}")),
        denied("listen:0".to_owned()),
        denied(format!("connect:{port}")),
        (format!("signal:{pid}"), DONE, NOT_PERMITTED),
        (format!("seize:{pid}"), DONE, NOT_PERMITTED),
        (format!("socket:{name}"), DONE, NOT_PERMITTED),
    ]);
    if made.is_ok_and(|status| status.success()) {
        // That it is no terminal says that it was asked.
        cases.push((format!("device:{device}"), 25, DENIED));
    } else {
        println!("SKIPPED: a device needs root");
    }
    // Last, since without confinement they are gone then.
    cases.extend([
        denied(format!("cut:{tokens}/newlink-target")),
        denied(format!("rename:{}", beside.display())),
    ]);
    std::fs::write(token.parent().unwrap().join("newlink-target"), "text").unwrap();
    let attempts: Vec<_> = cases.iter().map(|(attempt, ..)| attempt.clone()).collect();
    let within = attempt(&world, NEWEST, "auto", &attempts).await;
    let cut = std::fs::read_to_string(token.parent().unwrap().join("newlink-target")).unwrap();
    assert_eq!(cut, "text", "nothing was cut short");
    let without = attempt(&world, NEWEST, "off", &attempts).await;
    other.kill().unwrap();
    other.wait().unwrap();
    for (attempt, free, confined) in cases {
        assert_eq!(without[&attempt], free, "{attempt}, if it were not confined");
        assert_eq!(within[&attempt], confined, "{attempt}");
    }
}

/// On an older kernel the rest holds all the same.
#[tokio::test]
async fn an_older_landlock_gives_up_what_it_has() {
    let world = World::start().await;
    if !has(&world, NEWEST).await {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = world.token_file().with_file_name("file");
    std::fs::write(&file, "text").unwrap();
    let attempts = [
        "read:/etc/passwd".to_owned(),
        format!("cut:{}", file.display()),
        format!("connect:{port}"),
        format!("signal:{}", std::process::id()),
    ];
    for (abi, expected) in [
        (0, [DONE, DONE, DONE, DONE]),
        (1, [DENIED, DONE, DONE, DONE]),
        (3, [DENIED, DENIED, DONE, DONE]),
        (4, [DENIED, DENIED, DENIED, DONE]),
        (6, [DENIED, DENIED, DENIED, NOT_PERMITTED]),
    ] {
        let told = attempt(&world, abi, "auto", &attempts).await;
        let found = attempts.each_ref().map(|attempt| told[attempt]);
        assert_eq!(found, expected, "landlock {abi}: {told:?}");
        for (part, since) in [("files", 1), ("truncate", 3), ("connect", 4), ("signals", 6)] {
            let lacks = told.contains_key(&format!("lacks:{part}"));
            assert_eq!(lacks, abi < since, "landlock {abi}, {part}: {told:?}");
        }
    }
}

/// Without landlock a program can be run, and gains nothing by that.
#[tokio::test]
async fn a_setuid_program_gains_nothing() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can make a setuid program");
        return;
    }
    let world = World::start().await;
    std::fs::set_permissions(world.dir(), PermissionsExt::from_mode(0o755)).unwrap();
    let exe = world.dir().join("confined");
    std::fs::copy(CONFINED, &exe).unwrap();
    let program = world.dir().join("whose");
    std::fs::copy("/usr/bin/id", &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let run = format!("run:{}", program.display());
    for (confine, euid) in [("auto", false), ("off", true)] {
        let program = confined(&world, confine).exe(&exe).user(54_321);
        let ended = program.arg("0").arg(&run).run().await;
        assert_eq!(ended.stdout.contains("euid=0"), euid, "{confine}: {ended:?}");
        assert!(ended.stdout.contains("uid=54321"), "{ended:?}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_told() {
    let world = World::start().await;
    let full = has(&world, NEWEST).await;
    let sidecar = sidecar_with(&world, |it| it).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200, "with all that given up");
    let status = &sidecar.status().await["confinement"];
    assert_eq!(status["mode"], "auto");
    assert_eq!(status["parts"]["dumps"], true);
    assert_eq!(status["parts"]["files"], full);
    // Any port was asked for.
    assert_eq!(status["parts"]["listen"], false);
    assert_eq!(sidecar.metric("cambist_confined{part=\"privileges\"}").await, 1);
    assert_eq!(sidecar.metric("cambist_confined{part=\"files\"}").await, u64::from(full));
    assert_eq!(sidecar.metric("cambist_confined{part=\"listen\"}").await, 0);
    sidecar.logs("confined, but not in every part").await;
    sidecar.stop().await;

    let required = program(&world).set("CAMBIST_CONFINE", "require").run().await;
    assert_eq!(required.code(), Some(1), "{required:?}");
    assert!(required.stderr.contains("require is not met: listen (port 0 is any"), "{required:?}");
    let off = sidecar_with(&world, |it| it.set("CAMBIST_CONFINE", "off")).await;
    assert_eq!(off.status().await["confinement"]["parts"]["files"], false);
    assert_eq!(off.metric("cambist_confined{part=\"dumps\"}").await, 1);
    off.stop().await;
}

/// Where names are looked up in every way, with the C library's modules, too.
#[tokio::test]
async fn names_are_found() {
    let world = World::start().await;
    let host = world.env()["AZURE_AUTHORITY_HOST"].replace("127.0.0.1", "localhost");
    let sidecar = sidecar_with(&world, |it| {
        it.set("AZURE_AUTHORITY_HOST", &host).set("CAMBIST_ALLOW_AUTHORITY", &host)
    })
    .await;
    assert_eq!(sidecar.token(VAULT).await.status, 200, "{}", sidecar.log());
    sidecar.stop().await;
}

/// A file of identities may change to whatever can still be read, and to nothing else.
#[tokio::test]
#[ignore = "slow: waits for several looks at the file"]
async fn a_policy_that_needs_what_was_given_up_is_refused() {
    let world = World::start().await;
    if !has(&world, NEWEST).await {
        return;
    }
    let secret = world.dir().join("secrets");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("app"), &world.env()["IDENTITY_HEADER"]).unwrap();
    let client = &world.env()["AZURE_CLIENT_ID"];
    let policy = |token_file: &Path, resource: &str| {
        json!({
            "version": 1,
            "identities": [{"name": "main", "client_id": client, "token_file": token_file}],
            "callers": [{
                "name": "app", "secret_files": [secret.join("app")],
                "may": [{"identity": "main", "resources": [resource]}],
            }],
        })
        .to_string()
    };
    let file = secret.join("identities.yaml");
    std::fs::write(&file, policy(&world.token_file(), VAULT)).unwrap();
    let configured = program(&world)
        .unset("IDENTITY_HEADER")
        .unset("AZURE_CLIENT_ID")
        .set("CAMBIST_PROTOCOLS", "app-service")
        .set("CAMBIST_CONFIG", file.to_str().unwrap());
    let sidecar = Sidecar::of(SIDECAR, &world, configured).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let elsewhere = world.dir().join("elsewhere");
    std::fs::copy(world.token_file(), &elsewhere).unwrap();
    std::fs::write(&file, policy(&elsewhere, VAULT)).unwrap();
    let problem = eventually("its refusal", async || {
        let refused = sidecar.status().await["policy"]["refused"]["problem"].clone();
        refused.as_str().map(str::to_owned)
    })
    .await;
    for words in ["elsewhere", "the projected token", "Restart it"] {
        assert!(problem.contains(words), "{problem}");
    }
    assert_eq!(sidecar.token(VAULT).await.status, 200, "what was in force still is");
    // Beside what it has, there may be more.
    let beside = world.token_file().with_file_name("another");
    std::fs::copy(world.token_file(), &beside).unwrap();
    std::fs::write(&file, policy(&beside, "https://storage.azure.com")).unwrap();
    eventually("the change", async || {
        let status = sidecar.token("https://storage.azure.com").await.status;
        (status == 200).then_some(())
    })
    .await;
    sidecar.stop().await;
}

/// A swap that replaces a directory is followed, however many links there are on the way to the file.
#[tokio::test]
async fn a_directory_behind_links_is_followed() {
    let world = World::start().await;
    for (file, links) in [
        ("azure/token", &[("..1", "..data"), ("..data/azure", "azure")][..]),
        ("..data/azure/token", &[("..1", "..data")]),
        ("current/azure/token", &[("..1", "current")]),
    ] {
        let volume = world.dir().join(file.replace('/', "-"));
        let version = |name: &str| {
            std::fs::create_dir_all(volume.join(name).join("azure")).unwrap();
            std::fs::copy(world.token_file(), volume.join(name).join("azure/token")).unwrap();
        };
        version("..1");
        for (to, link) in links {
            symlink(to, volume.join(link)).unwrap();
        }
        let token = volume.join(file);
        let sidecar = sidecar_with(&world, |it| {
            it.set("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap())
        })
        .await;
        assert_eq!(sidecar.token(VAULT).await.status, 200, "{file}");
        version("..2");
        symlink("..2", volume.join("next")).unwrap();
        std::fs::rename(volume.join("next"), volume.join(links[0].1)).unwrap();
        std::fs::remove_dir_all(volume.join("..1")).unwrap();
        let reply = sidecar.token("https://storage.azure.com").await;
        assert_eq!(reply.status, 200, "{file}: {}", sidecar.log());
        sidecar.stop().await;
    }
}

/// OpenSSL's directories of CAs are links by hash, and those may lead anywhere.
#[tokio::test]
async fn cas_behind_the_links_of_a_directory_are_trusted() {
    let world = World::start().await;
    let (dir, elsewhere) = (world.dir().join("cd"), world.dir().join("corp"));
    std::fs::create_dir(&dir).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(&world.env()["CAMBIST_CA_FILE"], elsewhere.join("ca.pem")).unwrap();
    symlink("../corp/ca.pem", dir.join("corp.pem")).unwrap();
    symlink("corp.pem", dir.join("01234567.0")).unwrap();
    let sidecar = sidecar_with(&world, |it| {
        it.unset("CAMBIST_CA_FILE").set("SSL_CERT_DIR", dir.to_str().unwrap())
    })
    .await;
    assert_eq!(sidecar.token(VAULT).await.status, 200, "{}", sidecar.log());
    sidecar.stop().await;
}

/// What was given up looks like a lack of rights, so that both are told.
#[tokio::test]
async fn a_file_that_was_given_up_is_told_as_that() {
    let world = World::start().await;
    if !has(&world, NEWEST).await {
        return;
    }
    let volume = world.dir().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let (token, elsewhere) = (volume.join("token"), world.dir().join("elsewhere"));
    std::fs::copy(world.token_file(), &token).unwrap();
    std::fs::copy(world.token_file(), &elsewhere).unwrap();
    let sidecar =
        sidecar_with(&world, |it| it.set("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap()))
            .await;
    symlink(&elsewhere, volume.join("next")).unwrap();
    std::fs::rename(volume.join("next"), &token).unwrap();
    let reply = sidecar.token(VAULT).await;
    assert_eq!(reply.status, 503, "{}", sidecar.log());
    sidecar.logs("gave the file up at its start (cambist-sidecar's CAMBIST_CONFINE)").await;
    sidecar.stop().await;
}

/// Nothing is read that is not in the list.
#[tokio::test]
async fn the_list_has_all_that_is_granted() {
    let world = World::start().await;
    let dir = world.dir().canonicalize().unwrap();
    let (links, behind) = (dir.join("links"), dir.join("behind"));
    std::fs::create_dir(&links).unwrap();
    std::fs::create_dir(&behind).unwrap();
    std::fs::copy(world.token_file(), behind.join("token")).unwrap();
    symlink("../behind/token", links.join("token")).unwrap();
    symlink("/nowhere/history", links.join("history")).unwrap();
    let set = |it: Program, at: &Path| {
        it.set("AZURE_FEDERATED_TOKEN_FILE", at.join("token").to_str().unwrap())
            .set("CAMBIST_HISTORY", at.join("history").to_str().unwrap())
    };
    let told = set(program(&world), &links.join("../links")).arg("--check-config").run().await;
    assert_eq!(told.code(), Some(0), "{told:?}");
    for line in [
        format!("reads            {}/ (the projected token, the key history)", links.display()),
        format!("reads            {}/ (the projected token)", behind.display()),
        "reads            /etc/hosts (names)".to_owned(),
        format!(
            "not there        {}/../links/history (the key history): read only if it is there at the start",
            links.display()
        ),
        "writes           nothing, once it runs".to_owned(),
    ] {
        assert!(told.stdout.lines().any(|told| told == line), "{line:?} is not in {told:?}");
    }
    let sidecar = sidecar_with(&world, |it| set(it, &links)).await;
    let missing = &sidecar.status().await["confinement"]["missing"];
    assert_eq!(*missing, json!([links.join("history")]));
    sidecar.stop().await;
}
