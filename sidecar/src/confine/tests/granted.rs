use std::os::unix::fs::symlink;

use cambist::config::ConfigFault;

use super::super::granted::followed;
use super::super::wide::is_wide;
use super::*;

#[test]
fn what_is_granted_is_what_is_there_wherever_links_lead() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["token", "token/..1", "elsewhere", "beside"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    symlink("..1", at("token/..data")).unwrap();
    symlink("..data/token", at("token/token")).unwrap();
    for name in ["token/..1/token", "elsewhere/keys", "beside/x"] {
        std::fs::write(at(name), "").unwrap();
    }
    symlink("../elsewhere/keys", at("token/keys")).unwrap();
    let token = at("token/token");
    let keys = format!("file:{}", at("token/keys").display());
    let needs = needs(&[
        ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap()),
        ("CAMBIST_KEYS", &keys),
        ("CAMBIST_HISTORY", at("none/history").to_str().unwrap()),
    ]);
    let granted = Granted::of(&needs);
    for covered in ["token/token", "token/keys", "token/not-yet", "elsewhere/keys"] {
        assert!(granted.covers(&at(covered)), "{covered}");
    }
    symlink("../beside/x", at("token/out")).unwrap();
    for beyond in ["beside/x", "token/out", "none/history", "x"] {
        assert!(!granted.covers(&at(beyond)), "{beyond}");
    }
    assert!(!granted.covers("/etc/passwd".as_ref()) && granted.covers("/etc/hosts".as_ref()));
    assert_eq!(granted.missing().collect::<Vec<_>>(), [at("none/history")]);
    let mut identities = cambist::identities::Identities::clone(&read(&[]).policied.identities);
    identities.identities[0].token_file = at("beside/x");
    let faults: Vec<ConfigFault> = granted.lacking("CAMBIST_CONFIG", &identities);
    let told = &faults[0].problem;
    assert!(told.contains("beside/x") && told.contains("Restart it"), "{told}");
    identities.identities[0].token_file = token;
    assert!(granted.lacking("CAMBIST_CONFIG", &identities).is_empty());
}

/// A directory with these empty files, and these links.
fn tree(files: &[&str], links: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for file in files {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), "").unwrap();
    }
    for (to, link) in links {
        std::fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
        symlink(to, root.join(link)).unwrap();
    }
    (dir, root)
}

fn granted(reads: impl IntoIterator<Item = Read>) -> Granted {
    let reads = reads.into_iter().collect();
    let none = || Ports::These(BTreeMap::new());
    Granted::of(&Needs { reads, writes: None, listens: none(), connects: none() })
}

#[test]
fn whoever_swaps_a_directory_is_followed() {
    let files = ["volume/..1/azure/token", "beside"];
    let links = [("..1", "volume/..data"), ("..data/azure", "volume/azure")];
    let (_dir, root) = tree(&files, &links);
    let volume = root.join("volume");
    for path in
        ["azure/token", "..data/azure/token", "../volume/azure/./token", "..1/../azure/token"]
    {
        let granted = granted([Read::named(volume.join(path), "a token")]);
        assert_eq!(granted.dirs().collect::<Vec<_>>(), [&volume], "{path}");
        assert_eq!(granted.files().count(), 0, "{path}");
        assert!(granted.covers(&volume.join("..2/azure/token")), "{path}");
        assert!(!granted.covers(&root.join("beside")), "{path}");
    }
    let cas = granted([Read::cas(volume.join("azure"), "CAs")]);
    assert!(
        cas.covers(&volume.join("..2/azure/ca.pem")),
        "a directory of CAs is swapped like a file"
    );
    let released = granted([Read::named(volume.join("..1/azure/token"), "a token")]);
    assert!(!released.covers(&volume.join("..2/azure/token")), "without a link nothing is swapped");
}

/// Where a link is dangling, or turns in a circle, what will once be there counts.
#[test]
fn what_is_missing_is_what_will_not_be_covered() {
    let links = [
        ("/nowhere/token", "links/token"),
        ("later/token", "links/below"),
        ("circle", "links/circle"),
    ];
    let (_dir, root) = tree(&["links/file"], &links);
    for (path, missing) in [
        ("links/token", true),
        ("links/below", false),
        ("links/circle", false),
        ("links/not-yet", false),
        ("links/file", false),
        ("none/token", true),
    ] {
        let path = root.join(path);
        let granted = granted([Read::named(&path, "a token")]);
        assert_eq!(granted.missing().any(|it| it == path), missing, "{}", path.display());
        let told =
            format!("not there        {} (a token): read only if it is there", path.display());
        assert_eq!(granted.to_string().contains(&told), missing, "{granted}");
    }
    let named = root.join("file");
    symlink("/no-such-file", &named).unwrap();
    let usual = granted([Read::usual(&named, "names")]);
    assert_eq!(usual.missing().count(), 0, "it need not be there");
}

#[test]
fn what_is_told_is_what_is_granted() {
    let links = [("../elsewhere/a/keys", "here/keys"), ("../elsewhere", "links/short")];
    let (_dir, root) = tree(&["here/token", "elsewhere/a/keys", "elsewhere/b"], &links);
    let granted = granted([
        Read::named(root.join("here/../here/token"), "the token"),
        Read::named(root.join("here/keys"), "the keys"),
        Read::tree(root.join("links/short"), "all"),
        Read::usual("/etc/../etc/hosts", "names"),
        Read::usual(root.join("none/x"), "names"),
    ]);
    let root = root.display();
    let expected = [
        "reads            /etc/hosts (names)".to_owned(),
        format!("reads            {root}/elsewhere/ (all, the keys)"),
        format!("reads            {root}/here/ (the token, the keys)"),
        format!("reads            {root}/links/ (all)"),
    ];
    assert_eq!(granted.to_string().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn cas_that_links_lead_to_are_granted_alone() {
    let files = ["corp/ca.pem", "corp/key.pem", "cd/own.pem"];
    let links = [
        ("../corp/ca.pem", "cd/corp.pem"),
        ("corp.pem", "cd/01234567.0"),
        ("own.pem", "cd/89abcdef.0"),
        ("../corp", "cd/directory"),
        ("/nowhere/ca.pem", "cd/dangling.0"),
    ];
    let (_dir, root) = tree(&files, &links);
    let cas = granted([Read::cas(root.join("cd"), "CAs")]);
    assert_eq!(cas.dirs().collect::<Vec<_>>(), [root.join("cd")]);
    assert_eq!(cas.files().collect::<Vec<_>>(), [root.join("corp/ca.pem")]);
    let plain = granted([Read::tree(root.join("cd"), "libraries")]);
    assert_eq!(plain.files().count(), 0, "of other directories no link is followed");
}

#[test]
fn a_directory_with_much_else_is_not_granted_for_a_file() {
    for wide in [
        "/",
        "/etc",
        "/run",
        "/run/secrets",
        "/var/run/secrets",
        "/usr/local",
        "/usr/local/share",
        "/var/log",
        "/dev/shm",
        "/etc/kubernetes",
        "/etc/kubernetes/pki",
        "/var/lib/kubelet",
        "/home/somebody",
        "/run/user/1000",
        "/proc/1",
        "/nix/store",
    ] {
        assert!(is_wide(wide.as_ref()), "{wide}");
    }
    for own in [TOKEN, "/run/secrets/azure", "/home/somebody/.kube", "/etc/ssl/certs", "/vault"] {
        assert!(!is_wide(own.as_ref()), "{own}");
    }
    let link = Path::new("/var/run").canonicalize();
    assert!(link.is_ok_and(|run| is_wide(&run)), "by whatever name");
    // A volume of the kubelet's may be mounted anywhere.
    assert_eq!(followed("/mnt/..data".as_ref()), Some("/mnt".as_ref()));
    assert_eq!(followed("/mnt/current".as_ref()), None);
    assert_eq!(followed("/mnt/app/current".as_ref()), Some("/mnt/app".as_ref()));
}
