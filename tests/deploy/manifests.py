"""Rendered manifests, read: objects, their pod templates, and the containers in these."""

import yaml

# Where each kind has its pod template.
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
# The kinds whose pods are to end by themselves.
ENDING = {"Job", "CronJob"}
# The audiences that Entra takes, by their beginnings.
ENTRA = ("api://azureadtokenexchange", "api://aksidentitybinding")


def read(path):
    with open(path, encoding="utf-8") as file:
        return [it for it in yaml.safe_load_all(file) if it]


def name(it):
    return f"{it['kind']} {it['metadata']['name']}"


def key(it):
    """What no two objects of a cluster share."""
    metadata = it["metadata"]
    return it["apiVersion"], it["kind"], metadata.get("namespace", ""), metadata["name"]


class Pod:
    """A pod template, and whose it is."""

    def __init__(self, owner):
        self.owner = owner
        self.template = owner
        for step in TEMPLATES[owner["kind"]]:
            self.template = self.template[step]
        self.spec = self.template["spec"]
        self.name = name(owner)

    @property
    def containers(self):
        """All of them, each with the words for it."""
        for group in ("initContainers", "containers"):
            for it in self.spec.get(group, []):
                yield f"{self.name}, container {it['name']}", it

    @property
    def apps(self):
        return ((words, it) for words, it in self.containers if it["name"] != "cambist")

    @property
    def sidecar(self):
        found = (it for it in self.spec.get("initContainers", []) if it["name"] == "cambist")
        return next(found, None)

    def setting(self, container, setting):
        """What is set for the container, else for its pod."""
        own = container.get("securityContext", {})
        return own.get(setting, self.spec.get("securityContext", {}).get(setting))

    def entra_volumes(self):
        for volume in self.spec.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                audience = source.get("serviceAccountToken", {}).get("audience", "")
                if audience.lower().startswith(ENTRA):
                    yield volume["name"]


def pods(objects):
    return [Pod(it) for it in objects if it["kind"] in TEMPLATES]


def of_kind(objects, *kinds):
    return [it for it in objects if it["kind"] in kinds]
