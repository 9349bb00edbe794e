"""What it takes to run it."""

import re

from manifests import ENDING, name, of_kind, pods
from rules.rule import first_container, first_of, first_pod, put, rule, with_sidecar


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
