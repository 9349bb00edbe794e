//! containerd, and the images in it.

use std::path::Path;

use kit::Program;
use kit::program::Running;

use crate::case::Stage;

/// The sidecar's image, without its version, which its archive names.
pub(super) const SIDECAR: &str = "localhost/cambist-sidecar";
/// The app's image, as its archive names it. It also holds pods' namespaces.
pub(super) const APP: &str = "localhost/cambist-node-app:1";

const SOCKET: &str = "/run/containerd/containerd.sock";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program of the system's, which finds others of it.
pub(super) fn system(exe: &str) -> Program {
    Program::new(exe).set("PATH", PATH)
}

/// containerd, with the images.
pub(super) async fn start(stage: &Stage) -> Running {
    let dir = stage.dir("containerd");
    let networks = stage.dir("networks");
    let config = dir.join("config.toml");
    std::fs::write(&config, configuration(&dir, &networks)).expect("a file can be written");
    let bridge = networks.join("10-cambist.conflist");
    std::fs::write(bridge, network(&dir)).expect("a file can be written");
    let containerd = system("/usr/bin/env")
        .args(&["containerd", "-c", &config.display().to_string()])
        .log(&stage.log("containerd"))
        .spawn();
    kit::within(super::LONG, "containerd", async || {
        (ctr(&["version"]).await.code() == Some(0)).then_some(())
    })
    .await;
    let parts = stage.parts();
    for (file, name) in [(&parts.app, None), (&parts.sidecar, Some(SIDECAR))] {
        let mut import = vec!["images", "import"];
        // The one archive gives a whole name, the other its version alone.
        import.extend(name.iter().flat_map(|name| ["--base-name", name]));
        let file = file.display().to_string();
        import.push(&file);
        let ended = ctr(&import).await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
    containerd
}

async fn ctr(args: &[&str]) -> kit::Ended {
    system("/usr/bin/env").args(&["ctr", "-a", SOCKET, "-n", "k8s.io"]).args(args).run().await
}

fn configuration(dir: &Path, networks: &Path) -> String {
    let (dir, networks) = (dir.display(), networks.display());
    format!(
        r#"version = 2
root = "{dir}/root"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[ttrpc]
  address = "{SOCKET}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{APP}"
  # Its profiles are of the machine, not of these namespaces.
  disable_apparmor = true
  # Where this machine may not lower it, runc ends without a word.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{networks}"
"#
    )
}

/// The bridge of `tests/live/node/inside`; whatever is not on it has no way out.
fn network(dir: &Path) -> String {
    let address = serde_json::json!({
        "type": "host-local",
        "dataDir": dir.join("addresses"),
        "ranges": [[{ "subnet": "10.244.77.0/24", "gateway": "10.244.77.1" }]],
        "routes": [{ "dst": "0.0.0.0/0" }],
    });
    let bridge = serde_json::json!({
        "type": "bridge", "bridge": "cambist0", "isGateway": true, "hairpinMode": true, "ipam": address,
    });
    serde_json::json!({ "cniVersion": "0.4.0", "name": "cambist", "plugins": [bridge] }).to_string()
}
