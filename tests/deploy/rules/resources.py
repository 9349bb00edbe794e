"""What containers use, and namespaces allow."""

from manifests import name, of_kind, pods
from rules.rule import first_container, first_of, rule


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
