"""Accounts, rights, tokens and secrets."""

import re

from manifests import name, of_kind, pods
from rules.rule import first_container, first_of, first_pod, rule, with_sidecar


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
