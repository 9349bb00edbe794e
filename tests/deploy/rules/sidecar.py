"""The sidecar and its apps."""

from manifests import pods
from rules.rule import rule, with_sidecar


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
