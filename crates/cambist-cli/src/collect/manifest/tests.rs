use super::*;
use cambist_core::clock::UnixTime;

const KUBEADM: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
  - name: kube-apiserver
    image: registry.k8s.io/kube-apiserver:v1.34.0
    command:
    - kube-apiserver
    - --anonymous-auth=false
    - --service-account-issuer=https://new.test
    - --service-account-issuer=https://old.test
    - --service-account-key-file=/etc/kubernetes/pki/sa.pub
    - --service-account-key-file=/etc/kubernetes/pki/old.pub
    - --service-account-signing-key-file=/etc/kubernetes/pki/sa.key
    - --service-account-extend-token-expiration=false
    - --service-account-max-token-expiration=24h0m0s
    - --tls-private-key-file
    - /etc/kubernetes/pki/apiserver.key
";

fn look() -> Look {
    Look::new("https://i.test", UnixTime::from_secs(0))
}

/// A node's root with these files in it.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

fn under(files: &[(&str, &str)]) -> FlagsSeen {
    let mut look = look();
    let flags = collect_under(&mut look, root(files).path());
    flags.unwrap_or_else(|| panic!("{:?}", look.problems))
}

#[test]
fn kubeadms_manifest_is_read_and_the_controller_managers_beside_it() {
    let manager = "spec: {containers: [{command: [kube-controller-manager, --service-account-private-key-file=/pki/sa.key]}]}";
    let flags = under(&[
        ("etc/kubernetes/manifests/kube-apiserver.yaml", KUBEADM),
        ("etc/kubernetes/manifests/kube-controller-manager.yaml", manager),
    ]);
    assert_eq!(flags.issuers, ["https://new.test", "https://old.test"]);
    assert_eq!(flags.key_files.len(), 2);
    assert_eq!(flags.signing_key_file.as_deref(), Some("/etc/kubernetes/pki/sa.key"));
    assert_eq!(flags.tls_private_key_file.as_deref(), Some("/etc/kubernetes/pki/apiserver.key"));
    assert_eq!((flags.extend_token_expiration, flags.anonymous_auth), (Some(false), Some(false)));
    assert_eq!(flags.max_token_expiration_seconds, Some(86_400));
    assert_eq!(flags.controller_manager_key_file.as_deref(), Some("/pki/sa.key"));
}

#[test]
fn a_unit_tells_the_flags_of_what_it_starts() {
    let unit = "\
[Unit]
Description=Kubernetes API Server
[Service]
ExecStart=/usr/bin/false
ExecStart=-/usr/local/bin/kube-apiserver \\
  --service-account-key-file=/var/lib/kubernetes/service-account.pem \\
  --service-account-signing-key-file /var/lib/kubernetes/service-account-key.pem \\
  \"--service-account-issuer=https://new.test\"
Restart=on-failure
";
    let flags = under(&[("etc/systemd/system/kube-apiserver.service", unit)]);
    assert_eq!(flags.key_files, ["/var/lib/kubernetes/service-account.pem"]);
    let signing = "/var/lib/kubernetes/service-account-key.pem";
    assert_eq!(flags.signing_key_file.as_deref(), Some(signing));
    assert_eq!(flags.issuers, ["https://new.test"]);
    // As the one file that is named, too.
    let root = root(&[("x.service", unit), ("y.service", "[Service]\nExecStart=/opt/start.sh\n")]);
    let mut look = look();
    assert!(collect(&mut look, &root.path().join("x.service")).is_some());
    assert!(collect(&mut look, &root.path().join("y.service")).is_none());
    assert!(look.problems[0].detail.contains("neither kube-apiserver"), "{:?}", look.problems);
}

const SERVER: (&str, &str) = ("var/lib/rancher/k3s/server/tls/service.key", "");

#[test]
fn k3s_has_keys_of_its_own_unless_its_configuration_or_its_unit_names_others() {
    let config =
        ("etc/rancher/k3s/config.yaml", "token: join-secret\nwrite-kubeconfig-mode: 644\n");
    let flags = under(&[SERVER, config]);
    assert_eq!(flags.key_files, ["/var/lib/rancher/k3s/server/tls/service.key"]);
    let current = "/var/lib/rancher/k3s/server/tls/service.current.key";
    assert_eq!(flags.signing_key_file.as_deref(), Some(current));
    assert!(!format!("{flags:?}").contains("join-secret"));

    let flags = under(&[
        SERVER,
        (
            "etc/rancher/k3s/config.yaml",
            "kube-apiserver-arg: [service-account-issuer=https://old.test, anonymous-auth=true]\n",
        ),
        (
            "etc/rancher/k3s/config.yaml.d/10-more.yaml",
            "kube-apiserver-arg: ['--service-account-key-file=/keys/a.pub']\n\
             kube-controller-manager-arg: service-account-private-key-file=/keys/a.key\n",
        ),
        (
            "etc/rancher/k3s/config.yaml.d/20-more.yaml",
            "kube-apiserver-arg+: [service-account-key-file=/keys/b.pub]\n",
        ),
        (
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--kube-apiserver-arg=service-account-signing-key-file=/keys/b.key' \\\n",
        ),
    ]);
    assert!(flags.issuers.is_empty(), "a later file takes the place of an earlier one");
    assert_eq!(flags.key_files, ["/keys/a.pub", "/keys/b.pub"]);
    assert_eq!(flags.signing_key_file.as_deref(), Some("/keys/b.key"));
    assert_eq!(flags.controller_manager_key_file.as_deref(), Some("/keys/a.key"));
    assert!(flags.path.ends_with("etc/rancher/k3s/config.yaml"), "{}", flags.path);
}

#[test]
fn rke2_has_a_manifest_and_a_data_directory_may_be_elsewhere() {
    let manifest = "var/lib/rancher/rke2/agent/pod-manifests/kube-apiserver.yaml";
    assert_eq!(under(&[(manifest, KUBEADM)]).key_files.len(), 2);
    let flags = under(&[
        ("etc/rancher/rke2/config.yaml", "data-dir: /data/rke2/\n"),
        ("data/rke2/server/tls/service.key", ""),
    ]);
    assert_eq!(flags.key_files, ["/data/rke2/server/tls/service.key"]);
}

#[test]
fn an_agent_runs_no_api_server() {
    let mut look = look();
    let files = [("etc/rancher/k3s/config.yaml", "kube-apiserver-arg: [anonymous-auth=true]\n")];
    assert!(collect_under(&mut look, root(&files).path()).is_none());
    assert!(look.problems.is_empty(), "{:?}", look.problems);
}

#[test]
fn what_is_no_manifest_is_told_only_where_one_was_named() {
    let mut look = look();
    let root = root(&[]);
    assert!(collect_under(&mut look, root.path()).is_none() && look.problems.is_empty());
    let path = root.path().join("x.yaml");
    let secret = "token: join-secret\n";
    for text in
        ["", "- 1", "spec: {containers: [{command: [nginx]}]}", "a: [", "a: &a [*a]", secret]
    {
        std::fs::write(&path, text).unwrap();
        assert!(collect(&mut look, &path).is_none(), "{text}");
    }
    assert_eq!(look.problems.len(), 6);
    assert!(!format!("{:?}", look.problems).contains("join-secret"));
    let device = if cfg!(windows) { "NUL" } else { "/dev/zero" };
    assert!(collect(&mut look, device.as_ref()).is_none());
}
