//! kubelet, and the controllers that pods need.

use std::path::Path;

use kit::Program;
use kit::program::Running;
use serde_json::json;

use super::containers::system;
use crate::cluster::{BRIDGE, Cluster, NODE};
use crate::keys::write_private;

/// What acts on Jobs, CronJobs, and what each namespace has from the start.
const CONTROLLERS: &str = "serviceaccount-controller,root-ca-certificate-publisher-controller,job-controller,\
    cronjob-controller,namespace-controller,garbage-collector-controller";

fn part(program: &Path, name: &str, cluster: &Cluster) -> Program {
    let log = cluster.dir().join(format!("{name}.log"));
    system(&program.display().to_string()).arg(name).log(&log)
}

/// The controllers; there is no scheduler, and pods name their node.
pub(super) fn controller_manager(program: &Path, cluster: &Cluster) -> Running {
    let file = |name: &str, file: std::path::PathBuf| format!("--{name}={}", file.display());
    part(program, "kube-controller-manager", cluster)
        .arg(file("kubeconfig", cluster.kubeconfig(false)))
        .arg(file("root-ca-file", cluster.ca_file()))
        .arg(format!("--controllers={CONTROLLERS}"))
        .args(&["--leader-elect=false", "--authentication-skip-lookup", "--secure-port=0"])
        .spawn()
}

/// kubelet, as the cluster's only node.
pub(super) fn start(program: &Path, cluster: &Cluster, cgroup: &str) -> Running {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": BRIDGE,
        "healthzPort": 0,
        // For `kubectl logs`, which goes through the API server; nobody but the test's own pods is near.
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        // Both kinds of cgroups and machines with swap will do.
        "failCgroupV1": false,
        "failSwapOn": false,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        // The machine's disk may be nearly full, for all that is wanted here.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        "makeIPTablesUtilChains": false,
        "resolvConf": "",
        "volumePluginDir": cluster.dir().join("plugins"),
        "logging": { "verbosity": 2 },
    });
    let file = cluster.dir().join("kubelet.json");
    write_private(&file, &config.to_string());
    part(program, "kubelet", cluster)
        .arg(format!("--config={}", file.display()))
        .arg(format!("--kubeconfig={}", cluster.kubeconfig(true).display()))
        .arg(format!("--cert-dir={}", cluster.dir().join("kubelet-certificates").display()))
        .arg(format!("--hostname-override={NODE}"))
        .arg(format!("--node-ip={BRIDGE}"))
        .spawn()
}
