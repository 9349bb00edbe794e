//! The API server's static pod manifest: flags that say how keys are used, never how old one is.

use std::path::Path;

use serde::Deserialize;

use super::look::{FlagsSeen, Look};

/// Where kubeadm puts it, under a node's root.
const KUBEADM: &str = "etc/kubernetes/manifests/kube-apiserver.yaml";

/// Largest manifest that is read, in bytes.
const MAX: u64 = 256 * 1024;

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Container {
    command: Vec<String>,
    args: Vec<String>,
}

/// Reads the manifest at `path`.
pub(crate) fn collect(look: &mut Look, path: &Path) -> Option<FlagsSeen> {
    let read = read(path).map_err(|error| error.to_string()).and_then(|text| flags(&text));
    match read {
        Ok(flags) => {
            let manager = path.with_file_name("kube-controller-manager.yaml");
            let manager = self::read(&manager).ok().and_then(|text| arguments(&text).ok());
            let key = manager.and_then(|args| value(&args, "service-account-private-key-file"));
            let path = path.display().to_string();
            Some(FlagsSeen { path, controller_manager_key_file: key, ..flags })
        }
        Err(problem) => {
            look.problem("manifest", format!("{}: {problem}", path.display()));
            None
        }
    }
}

/// The same where kubeadm puts it under `root`, if there is one.
pub(crate) fn collect_under(look: &mut Look, root: &Path) -> Option<FlagsSeen> {
    let path = root.join(KUBEADM);
    path.symlink_metadata().is_ok().then(|| collect(look, &path)).flatten()
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn arguments(text: &str) -> Result<Vec<String>, String> {
    let pod: Pod = serde_saphyr::from_str(text).map_err(|_| {
        "is not the YAML of a pod with containers; name kube-apiserver's static pod manifest"
            .to_owned()
    })?;
    Ok(pod.spec.containers.into_iter().flat_map(|c| c.command.into_iter().chain(c.args)).collect())
}

fn values(arguments: &[String], flag: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        // Go's flags have one dash or two, and their value after `=` or as the next argument.
        let Some(rest) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            continue;
        };
        match rest.split_once('=') {
            Some((name, value)) if name == flag => out.push(value.to_owned()),
            None if rest == flag => out.extend(arguments.next().cloned()),
            _ => {}
        }
    }
    out
}

/// The last one counts.
fn value(arguments: &[String], flag: &str) -> Option<String> {
    values(arguments, flag).pop()
}

fn flags(text: &str) -> Result<FlagsSeen, String> {
    let arguments = arguments(text)?;
    if !arguments
        .iter()
        .any(|arg| arg.contains("service-account") || arg.contains("kube-apiserver"))
    {
        return Err("has no flag of kube-apiserver's; name its static pod manifest".to_owned());
    }
    let one = |flag| value(&arguments, flag);
    let boolean = |flag| {
        let bare = arguments.iter().any(|arg| arg.trim_start_matches('-') == flag);
        if bare { Some(true) } else { one(flag).and_then(|text| text.parse().ok()) }
    };
    let listed = |flag| {
        let all = values(&arguments, flag);
        all.iter().flat_map(|v| v.split(',')).map(str::to_owned).collect::<Vec<_>>()
    };
    Ok(FlagsSeen {
        path: String::new(),
        issuers: values(&arguments, "service-account-issuer"),
        jwks_uri: one("service-account-jwks-uri"),
        key_files: listed("service-account-key-file"),
        signing_key_file: one("service-account-signing-key-file"),
        signing_endpoint: one("service-account-signing-endpoint"),
        tls_private_key_file: one("tls-private-key-file"),
        extend_token_expiration: boolean("service-account-extend-token-expiration"),
        max_token_expiration_seconds: one("service-account-max-token-expiration")
            .and_then(|text| go_duration(&text)),
        anonymous_auth: boolean("anonymous-auth"),
        controller_manager_key_file: None,
    })
}

/// A duration as Go writes it, in whole seconds: `24h0m0s`, `86400s`, `1.5h`.
fn go_duration(text: &str) -> Option<u64> {
    let mut seconds = 0.0;
    let mut number = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3600.0,
            'm' if letters.next_if_eq(&'s').is_some() => 0.001,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        seconds += std::mem::take(&mut number).parse::<f64>().ok()? * unit;
    }
    let whole = number.is_empty() || number == "0";
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let seconds = seconds as u64;
    whole.then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn kubeadms_manifest_is_read() {
        let flags = flags(KUBEADM).unwrap();
        assert_eq!(flags.issuers, ["https://new.test", "https://old.test"]);
        assert_eq!(flags.key_files.len(), 2);
        assert_eq!(flags.signing_key_file.as_deref(), Some("/etc/kubernetes/pki/sa.key"));
        assert_eq!(
            flags.tls_private_key_file.as_deref(),
            Some("/etc/kubernetes/pki/apiserver.key")
        );
        assert_eq!(
            (flags.extend_token_expiration, flags.anonymous_auth),
            (Some(false), Some(false))
        );
        assert_eq!(flags.max_token_expiration_seconds, Some(86_400));
    }

    #[test]
    fn the_manifest_beside_tells_the_controller_managers_key() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("etc/kubernetes/manifests");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("kube-apiserver.yaml"), KUBEADM).unwrap();
        let manager = "spec: {containers: [{command: [kube-controller-manager, --service-account-private-key-file=/pki/sa.key]}]}";
        std::fs::write(dir.join("kube-controller-manager.yaml"), manager).unwrap();
        let mut look = Look::new("https://i.test", cambist_core::clock::UnixTime::from_secs(0));
        let flags = collect_under(&mut look, root.path()).unwrap();
        assert_eq!(flags.controller_manager_key_file.as_deref(), Some("/pki/sa.key"));
    }

    #[test]
    fn what_is_no_manifest_is_told_only_where_one_was_named() {
        let mut look = Look::new("https://i.test", cambist_core::clock::UnixTime::from_secs(0));
        let root = tempfile::tempdir().unwrap();
        assert!(collect_under(&mut look, root.path()).is_none() && look.problems.is_empty());
        let path = root.path().join("x.yaml");
        for text in ["", "- 1", "spec: {containers: [{command: [nginx]}]}", "a: [", "a: &a [*a]"] {
            std::fs::write(&path, text).unwrap();
            assert!(collect(&mut look, &path).is_none());
        }
        assert_eq!(look.problems.len(), 5);
    }

    #[test]
    fn durations_of_go() {
        for (text, seconds) in
            [("24h0m0s", 86_400), ("1.5h", 5400), ("90s", 90), ("1500ms", 1), ("0", 0)]
        {
            assert_eq!(go_duration(text), Some(seconds), "{text}");
        }
        for bad in ["5", "h", "1d", "-1h"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }
}
