"""What Pod Security Standard restricted asks, and more."""

from manifests import name, of_kind, pods
from rules.rule import first_of, first_pod, rule, security


@rule("every container as another user than root", security(runAsNonRoot=False))
def non_root(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if pod.setting(it, "runAsNonRoot") is not True or not pod.setting(it, "runAsUser"):
                yield f"{words}: runAsNonRoot and a runAsUser other than 0 are not both set"


@rule("no privilege escalation", security(allowPrivilegeEscalation=True))
def no_escalation(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            own = it.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                yield f"{words}: allowPrivilegeEscalation is not false, or it is privileged"


@rule("all capabilities dropped, none added", security(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}))
def capabilities(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if it.get("securityContext", {}).get("capabilities") != {"drop": ["ALL"]}:
                yield f"{words}: capabilities are not just drop: [ALL]"


@rule("a read-only root", security(readOnlyRootFilesystem=False))
def read_only(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if it.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{words}: readOnlyRootFilesystem is not true"


@rule("seccomp's RuntimeDefault", security(seccompProfile={"type": "Unconfined"}))
def seccomp(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if pod.setting(it, "seccompProfile") != {"type": "RuntimeDefault"}:
                yield f"{words}: seccompProfile is not RuntimeDefault"


@rule("nothing of the node's network or processes", first_pod(lambda pod: pod.spec.update(hostNetwork=True)))
def host(objects):
    for pod in pods(objects):
        for setting in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            if pod.spec.get(setting):
                yield f"{pod.name}: {setting}"
        for words, it in pod.containers:
            if any("hostPort" in port for port in it.get("ports", [])):
                yield f"{words}: hostPort"


@rule(
    "nothing of the node's files",
    first_pod(lambda pod: pod.spec.setdefault("volumes", []).append({"name": "node", "hostPath": {"path": "/"}})),
)
def host_path(objects):
    for pod in pods(objects):
        for volume in pod.spec.get("volumes", []):
            if "hostPath" in volume:
                yield f"{pod.name}, volume {volume['name']}: hostPath"


@rule(
    "namespaces in which PodSecurity enforces restricted",
    first_of("Namespace", lambda it: it["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "baseline"})),
)
def pod_security(objects):
    for it in of_kind(objects, "Namespace"):
        for mode in ("enforce", "warn", "audit"):
            if it["metadata"].get("labels", {}).get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{name(it)}: pod-security.kubernetes.io/{mode} is not restricted"
