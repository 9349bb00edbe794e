"""Holds rendered manifests against the Kubernetes schemas, the guidance, and each other.

usage: check.py schemas VERSION... -- FILE...
       check.py rules FILE...
       check.py same WHAT EXPECTED... -- FOUND
       check.py templates WHAT FILE FILE
       check.py json FOLDER FILE...

Prints a line for each thing that was looked at, which begins with `ok: ` or `FAILED: `.
"""

import copy
import json
import pathlib
import sys

from kubernetes_validate import SchemaNotFoundError, ValidationError, validate
from kubernetes_validate.utils import all_versions, major_minor
from packaging.version import Version

from manifests import key, name, pods, read
from rules import RULES


# What came later than some version that is asked for, and the first one to have it.
LATER = {
    "admissionregistration.k8s.io/v1 MutatingAdmissionPolicy": "1.36",
    "admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding": "1.36",
}


def told(words, faults):
    faults = list(faults)
    print(f"FAILED: {words}: {'; '.join(faults)}" if faults else f"ok: {words}", flush=True)


def schemas(versions, paths):
    """Each object by its schema, and one with an unknown field, which must not pass."""
    for version in versions:
        if version not in map(major_minor, all_versions()):
            sys.exit(f"kubernetes-validate has no schemas of {version}")
        for path in paths:
            faults, later = [], []
            objects = read(path)
            for it in objects:
                try:
                    validate(it, version, strict=True)
                except SchemaNotFoundError:
                    api = f"{it['apiVersion']} {it['kind']}"
                    known = api in LATER and Version(version) < Version(LATER[api])
                    (later if known else faults).append(f"{api}, which it does not have")
                except ValidationError as error:
                    faults.append(f"{name(it)}: {'.'.join(map(str, error.path))}: {error.message}")
            words = f"{pathlib.Path(path).stem} is as Kubernetes {version} says, {len(objects)} objects"
            told(words + "".join(f", but for {it}" for it in later), faults)
        misspelt = copy.deepcopy(pods(read(paths[0]))[0].owner)
        pods([misspelt])[0].spec["containers"][0]["resorces"] = {}
        try:
            validate(misspelt, version, strict=True)
            told(f"a misspelt field is found with {version}", ["it is not"])
        except ValidationError:
            told(f"a misspelt field is found with {version}", [])


def rules(paths):
    """Each rule holds in each manifest, and is broken where somebody breaks it."""
    manifests = {pathlib.Path(path).stem: read(path) for path in paths}
    for words, check, breaks in RULES:
        faults = [f"{stem}: {fault}" for stem, objects in manifests.items() for fault in check(objects)]
        broken = 0
        for stem, objects in manifests.items():
            changed = copy.deepcopy(objects)
            if breaks(changed) is False or changed == objects:
                continue
            broken += 1
            if not list(check(changed)):
                faults.append(f"{stem}: the rule does not see that it was broken")
        if not broken:
            faults.append("there is no manifest in which it could be broken")
        told(f"{words}: {len(manifests)} manifests, broken in {broken}", faults)


def same(what, expected, found):
    """The same set of objects, whatever their order; neither has the namespace or an app along."""

    def objects(paths):
        left = [it for path in paths for it in read(path) if it["kind"] not in ("Namespace", "Deployment")]
        return {key(it): it for it in left}

    one, other = objects(expected), objects([found])
    faults = [f"{' '.join(it)} is in one alone" for it in one.keys() ^ other.keys()]
    faults += [f"{' '.join(it)} differs" for it in one.keys() & other.keys() if one[it] != other[it]]
    told(f"{what}: {len(one)} objects", faults if one else ["there is none"])


def templates(what, path, other):
    """What follows `template:` is the same in two patches."""

    def template(path):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        lines = iter(text.splitlines())
        for line in lines:
            if line.strip() == "template:":
                indent = len(line) - len(line.lstrip())
                return [it[indent:] for it in lines]
        return []

    one, two = template(path), template(other)
    told(what, [] if one and one == two else ["it differs, or there is none"])


def write_json(folder, paths):
    """For who reads no YAML."""
    for path in paths:
        path = pathlib.Path(path)
        text = json.dumps(read(path), indent=1)
        (pathlib.Path(folder) / f"{path.stem}.json").write_text(text, encoding="utf-8")


def main(command, *arguments):
    arguments = list(arguments)
    split = arguments.index("--") if "--" in arguments else 0
    match command:
        case "schemas":
            schemas(arguments[:split], arguments[split + 1 :])
        case "rules":
            rules(arguments)
        case "same":
            same(arguments[0], arguments[1:split], arguments[split + 1])
        case "templates":
            templates(*arguments)
        case "json":
            write_json(arguments[0], arguments[1:])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
