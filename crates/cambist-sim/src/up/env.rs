//! `DIR/env`: what a shell sources.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use crate::system::private;

/// Lines of `export NAME='value'`.
pub(super) fn shell(env: &BTreeMap<String, String>) -> String {
    env.iter().fold(String::new(), |mut out, (name, value)| {
        // Inside single quotes a shell takes everything as it is, but for the quote.
        let value = value.replace('\'', r"'\''");
        let _ = writeln!(out, "export {name}='{value}'");
        out
    })
}

/// A kubeconfig for whoever has the token in `token_file`. It is JSON, which YAML contains.
pub(super) fn kubeconfig(server: &str, ca_file: &Path, token_file: &Path) -> String {
    let cluster = json!({ "server": server, "certificate-authority": ca_file });
    let context = json!({ "cluster": "sim", "user": "sim" });
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "sim", "cluster": cluster }],
        "users": [{ "name": "sim", "user": { "tokenFile": token_file } }],
        "contexts": [{ "name": "sim", "context": context }],
        "current-context": "sim",
    });
    format!("{config:#}\n")
}

/// Writes a file that only its owner reads, and that nobody ever sees half written.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(format!(".{}", crate::random::hex::<4>()));
    let file = private(OpenOptions::new().write(true).create_new(true)).open(&next);
    file?.write_all(content)?;
    fs::rename(next, path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let value = r#"it's "$HOME" `id` \ & more"#;
        let env = BTreeMap::from([("SIM_TEST".to_owned(), value.to_owned())]);
        let file = dir.path().join("env");
        write_private(&file, b"export SIM_TEST=before\n").unwrap();
        write_private(&file, shell(&env).as_bytes()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let output = std::process::Command::new("sh")
            .args(["-c", ". \"$1\" && printf %s \"$SIM_TEST\"", "sh"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
