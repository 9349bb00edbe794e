"""Holds each object of the sample policies against its CRD, as the API server would with strict field validation:

    policies.py FOLDER [CRD...]

An object whose CRD is not among the files is told and only read. So that a check that passes says something,
each object is also tried with a field that nobody knows, and must then be refused.
"""

import copy
import pathlib
import sys

import yaml
from jsonschema import Draft202012Validator

# Its CRD is made by Gatekeeper, of a template that is Ratify's.
NO_CRD = {("constraints.gatekeeper.sh/v1beta1", "RatifyVerification")}


def strict(schema):
    """As an API server takes a structural schema: fields that it does not name are errors, unless it keeps them."""
    schema = dict(schema)
    if schema.get("x-kubernetes-int-or-string"):
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if "properties" in schema:
        schema["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
    if "items" in schema:
        schema["items"] = strict(schema["items"])
    return schema


def schemas(files):
    found = {}
    for file in files:
        for crd in yaml.safe_load_all(pathlib.Path(file).read_text()):
            spec = crd["spec"]
            for version in spec["versions"]:
                schema = copy.deepcopy(version["schema"]["openAPIV3Schema"])
                for name in ("apiVersion", "kind", "metadata"):
                    schema["properties"][name] = {}
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = Draft202012Validator(strict(schema))
    return found


def main(folder, *crds):
    known, failed, held = schemas(crds), 0, 0
    for file in sorted(pathlib.Path(folder).glob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text()):
            kind = (each["apiVersion"], each["kind"])
            name = f"{file}: {each['kind']} {each['metadata']['name']}"
            if kind not in known:
                if crds and kind not in NO_CRD:
                    failed += 1
                    print(f"{name}: no CRD has {kind}", file=sys.stderr)
                continue
            for error in known[kind].iter_errors(each):
                failed += 1
                print(f"{name}: {error.json_path}: {error.message}", file=sys.stderr)
            wrong = copy.deepcopy(each)
            wrong["spec"]["nobodyKnowsThis"] = 1
            if known[kind].is_valid(wrong):
                failed += 1
                print(f"{name}: a field that nobody knows is taken", file=sys.stderr)
            held += 1
    print(f"{held} objects of the policies are as their CRDs say")
    return failed or (bool(crds) and held == 0)


sys.exit(main(*sys.argv[1:]) > 0)
