"""The guidance, rule by rule: each says what is against it in some objects, and knows how to break itself.

A rule is a generator of faults. `breaks` beside it changes the objects of a manifest such that they are against the
rule; it returns False where they have nothing to be broken.
"""

import re

from manifests import ENDING, name, of_kind, pods

RULES = []


def rule(words, breaks):
    def add(check):
        RULES.append((words, check, breaks))
        return check

    return add


# --- how to break one --------------------------------------------------------------------------


def first_pod(change):
    def breaks(objects):
        found = pods(objects)
        return bool(found) and change(found[0]) is not False

    return breaks


def first_container(change):
    return first_pod(lambda pod: change(next(it for _, it in pod.containers)))


def with_sidecar(change):
    def breaks(objects):
        found = [pod for pod in pods(objects) if pod.sidecar]
        return bool(found) and change(found[0]) is not False

    return breaks


def first_of(kind, change):
    def breaks(objects):
        found = of_kind(objects, kind)
        return bool(found) and change(found[0]) is not False

    return breaks


def security(**settings):
    return first_container(lambda it: it["securityContext"].update(settings))


def put(**fields):
    return lambda it: it.update(fields)


# --- resources ---------------------------------------------------------------------------------


@rule("a memory limit on every container", first_container(lambda it: it["resources"].pop("limits")))
def memory_limit(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if "memory" not in it.get("resources", {}).get("limits", {}):
                yield f"{words}: no limits.memory"


@rule("CPU and memory requests on every container", first_container(lambda it: it["resources"]["requests"].pop("cpu")))
def requests(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            for missing in {"cpu", "memory"} - set(it.get("resources", {}).get("requests", {})):
                yield f"{words}: no requests.{missing}"


@rule("no CPU limit on any container", first_container(lambda it: it["resources"]["limits"].update(cpu="1")))
def no_cpu_limit(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if "cpu" in it.get("resources", {}).get("limits", {}):
                yield f"{words}: limits.cpu"


@rule(
    "no ResourceQuota that demands CPU limits",
    first_of("ResourceQuota", lambda it: it["spec"]["hard"].update({"limits.cpu": "4"})),
)
def quota(objects):
    for it in of_kind(objects, "ResourceQuota"):
        if "limits.cpu" in it["spec"]["hard"]:
            yield f"{name(it)}: limits.cpu"


@rule(
    "no LimitRange that sets CPU limits",
    first_of("LimitRange", lambda it: it["spec"]["limits"][0]["default"].update(cpu="1")),
)
def limit_range(objects):
    for it in of_kind(objects, "LimitRange"):
        for limit in it["spec"]["limits"]:
            if "cpu" in {**limit.get("default", {}), **limit.get("max", {})}:
                yield f"{name(it)}: a CPU limit"


# --- security contexts -------------------------------------------------------------------------


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


# --- identity ----------------------------------------------------------------------------------


@rule("never the default service account", first_pod(lambda pod: pod.spec.pop("serviceAccountName")))
def own_account(objects):
    there = {it["metadata"]["name"] for it in of_kind(objects, "ServiceAccount")}
    for pod in pods(objects):
        account = pod.spec.get("serviceAccountName", "default")
        if account == "default" or account not in there:
            yield f"{pod.name}: {account} is no service account of its own, made in the same manifest"


def bound(objects):
    """The accounts that have rights, and so a use for a token of the API server's."""
    return {subject["name"] for it in of_kind(objects, "RoleBinding") for subject in it["subjects"]}


@rule("no token of the API server's where none is needed", first_pod(lambda pod: pod.spec.update(automountServiceAccountToken=None)))
def automount(objects):
    for it in of_kind(objects, "ServiceAccount"):
        if it.get("automountServiceAccountToken") is not False:
            yield f"{name(it)}: automountServiceAccountToken is not false"
    needed = bound(objects)
    for pod in pods(objects):
        wanted = pod.spec["serviceAccountName"] in needed if "serviceAccountName" in pod.spec else False
        if pod.spec.get("automountServiceAccountToken") is not wanted:
            yield f"{pod.name}: automountServiceAccountToken is not {wanted}"


@rule(
    "rights by name, in one namespace, without wildcards",
    first_of("Role", lambda it: it["rules"][0].pop("resourceNames")),
)
def least_rights(objects):
    for it in of_kind(objects, "ClusterRole", "ClusterRoleBinding"):
        yield f"{name(it)}: is of the whole cluster"
    for it in of_kind(objects, "Role"):
        for rights in it["rules"]:
            words = [*rights["apiGroups"], *rights["resources"], *rights["verbs"]]
            if "*" in words or not rights.get("resourceNames"):
                yield f"{name(it)}: a wildcard, or no resourceNames"


def mounts_token(pod):
    app = next(pod.apps)[1]
    app.setdefault("volumeMounts", []).append({"name": "cambist-token", "mountPath": "/token"})


@rule("tokens for Entra in cambist alone", with_sidecar(mounts_token))
def tokens(objects):
    for pod in pods(objects):
        # The webhook's volume is not there yet; this one is the sidecar's even where it holds files alone.
        kept = {"cambist-token", *pod.entra_volumes()}
        for words, it in pod.apps:
            for mount in it.get("volumeMounts", []):
                if mount["name"] in kept:
                    yield f"{words}: mounts {mount['name']}"


@rule(
    "no variable with which an SDK would go to Entra itself",
    with_sidecar(lambda pod: next(pod.apps)[1]["env"].append({"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/token"})),
)
def no_federation(objects):
    for pod in pods(objects):
        for words, it in pod.apps:
            for variable in it.get("env", []):
                if variable["name"].startswith("AZURE_"):
                    yield f"{words}: {variable['name']}"
        labels = pod.template["metadata"]["labels"]
        if labels.get("azure.workload.identity/use") == "true":
            skipped = pod.template["metadata"].get("annotations", {}).get("azure.workload.identity/skip-containers", "")
            for words, it in pod.apps:
                if it["name"] not in skipped.split(";"):
                    yield f"{words}: is not among azure.workload.identity/skip-containers"


@rule("no secret in a manifest", first_container(lambda it: it.setdefault("env", []).append({"name": "IDENTITY_HEADER", "value": "hunter2hunter2"})))
def secrets(objects):
    telling = re.compile(r"(secret|password|token|header|credential|key)$", re.IGNORECASE)
    for it in of_kind(objects, "Secret"):
        yield f"{name(it)}: is in the manifest"
    for it in of_kind(objects, "ConfigMap"):
        for found in filter(telling.search, it.get("data", {})):
            yield f"{name(it)}: {found}"
    for pod in pods(objects):
        for words, it in pod.containers:
            for variable in it.get("env", []):
                if "value" in variable and telling.search(variable["name"]):
                    yield f"{words}: {variable['name']}"


# --- the sidecar -------------------------------------------------------------------------------


@rule("a native sidecar, before all other init containers", with_sidecar(lambda pod: pod.sidecar.pop("restartPolicy")))
def native(objects):
    for pod in pods(objects):
        if any(it["name"] == "cambist" for it in pod.spec["containers"]):
            yield f"{pod.name}: the sidecar is an ordinary container"
        if pod.sidecar:
            first = pod.spec["initContainers"][0]
            if first["name"] != "cambist" or first.get("restartPolicy") != "Always":
                yield f"{pod.name}: cambist is not the first init container, with restartPolicy Always"


VARIABLES = {
    "IDENTITY_ENDPOINT": {"value": "http://127.0.0.1:8421/msi/token"},
    "IDENTITY_HEADER": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    "NO_PROXY": {"value": "127.0.0.1,localhost"},
    "no_proxy": {"value": "127.0.0.1,localhost"},
}


@rule("the variables of every app beside a sidecar", with_sidecar(lambda pod: next(pod.apps)[1]["env"].pop()))
def variables(objects):
    for pod in pods(objects):
        for words, it in pod.apps if pod.sidecar else ():
            given = {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in it.get("env", [])}
            for variable, value in VARIABLES.items():
                own = variable.lower() == "no_proxy" and pod.owner["metadata"]["labels"].get("cambist.dev/no-proxy") == "own"
                if given.get(variable) != value and not own:
                    yield f"{words}: {variable} is {given.get(variable)}, not {value}"
        kept = {each["name"] for each in pod.sidecar["env"]} if pod.sidecar else set()
        for variable in kept & {"IDENTITY_ENDPOINT", "NO_PROXY", "no_proxy"}:
            yield f"{pod.name}: the sidecar has {variable}, which is the apps'"


# --- operation ---------------------------------------------------------------------------------


@rule("images by version or digest", first_container(put(image="ghcr.io/cambist/cambist-sidecar:latest")))
def images(objects):
    digest = re.compile(r"@sha256:[0-9a-f]{64}$")
    tag = re.compile(r":(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    for pod in pods(objects):
        for words, it in pod.containers:
            if not digest.search(it["image"]) and not tag.search(it["image"]):
                yield f"{words}: {it['image']}"


def without_probes(pod):
    it = pod.sidecar or pod.spec["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        it.pop(probe, None)


@rule("probes of what runs for long", with_sidecar(without_probes))
def probes(objects):
    for pod in pods(objects):
        if pod.sidecar:
            for probe in ("startupProbe", "livenessProbe"):
                if probe not in pod.sidecar:
                    yield f"{pod.name}: the sidecar has no {probe}"
        for it in pod.spec["containers"] if pod.owner["kind"] not in ENDING else ():
            if "readinessProbe" not in it:
                yield f"{pod.name}, container {it['name']}: no readinessProbe"


@rule("the reason of an end in the pod's status", first_container(lambda it: it.pop("terminationMessagePolicy")))
def termination(objects):
    for pod in pods(objects):
        for words, it in pod.containers:
            if it.get("terminationMessagePolicy") != "FallbackToLogsOnError":
                yield f"{words}: terminationMessagePolicy is not FallbackToLogsOnError"


@rule("labels on every object and pod", first_pod(lambda pod: pod.template["metadata"]["labels"].pop("app.kubernetes.io/name")))
def labels(objects):
    wanted = ("app.kubernetes.io/name", "app.kubernetes.io/part-of")
    for it in objects:
        for metadata in (it["metadata"], *(pod.template["metadata"] for pod in pods([it]))):
            for label in wanted:
                if not metadata.get("labels", {}).get(label):
                    yield f"{name(it)}: no label {label}"


@rule("jobs that end", lambda objects: any([it["spec"]["jobTemplate"]["spec"].pop("activeDeadlineSeconds", None) for it in of_kind(objects, "CronJob")]))
def deadlines(objects):
    for it in of_kind(objects, *ENDING):
        spec = it["spec"].get("jobTemplate", it)["spec"]
        if not spec.get("activeDeadlineSeconds"):
            yield f"{name(it)}: no activeDeadlineSeconds"


@rule(
    "the admin port for the monitoring namespace alone",
    first_of("NetworkPolicy", lambda it: "ingress" in it["spec"] and it["spec"]["ingress"][1].pop("from")),
)
def admin_port(objects):
    open_to_all = "0.0.0.0"
    for it in of_kind(objects, "ConfigMap"):
        if open_to_all in it.get("data", {}).get("CAMBIST_ADMIN_LISTEN", "") and not of_kind(objects, "NetworkPolicy"):
            yield f"{name(it)}: CAMBIST_ADMIN_LISTEN without a NetworkPolicy"
    for it in of_kind(objects, "NetworkPolicy"):
        for allowed in it["spec"].get("ingress", []):
            for port in allowed.get("ports", [{"port": 1, "endPort": 65535}]):
                tcp = port.get("protocol", "TCP") == "TCP"
                if tcp and port["port"] <= 8422 <= port.get("endPort", port["port"]) and not allowed.get("from"):
                    yield f"{name(it)}: 8422 from anywhere"
