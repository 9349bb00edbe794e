"""Holds documents against a JSON Schema, or against what JUnit XML is read for.

usage: validate.py schema SCHEMA FILE...
       validate.py refused SCHEMA FILE...
       validate.py junit FILE...

With `refused`, something must be wrong with each. A file may be YAML, by its name.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree


def read(path):
    with open(path, encoding="utf-8") as file:
        if not path.endswith(".yaml"):
            return json.load(file)
        # Only some modes need these packages.
        from ruamel.yaml import YAML

        return YAML(typ="safe", pure=True).load(file)


def against_schema(schema_path, paths):
    """What is wrong, by path."""
    import jsonschema

    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    checker = kind.FORMAT_CHECKER
    # Without their packages these formats would pass unchecked.
    missing = {"date-time", "uri"} - set(checker.checkers)
    if missing:
        sys.exit(f"no checker for the formats {missing}")
    validator = kind(schema, format_checker=checker)
    return {
        path: [f"{path}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(read(path))]
        for path in paths
    }


def as_junit(paths):
    faults = []
    for path in paths:
        root = ElementTree.parse(path).getroot()
        suites = list(root)
        if root.tag != "testsuites" or [suite.tag for suite in suites] != ["testsuite"]:
            faults.append(f"{path}: is no testsuites with one testsuite")
            continue
        for element in (root, suites[0]):
            for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
                said, found = int(element.get(attribute)), len(list(element.iter(tag)))
                if said != found:
                    faults.append(f"{path}: {element.tag} {attribute}={said}, but there are {found}")
        skipped = len(list(suites[0].iter("skipped")))
        if int(suites[0].get("skipped")) != skipped:
            faults.append(f"{path}: skipped={suites[0].get('skipped')}, but there are {skipped}")
        names = [case.get("name") for case in suites[0].iter("testcase")]
        if not all(names) or len(set(names)) != len(names):
            faults.append(f"{path}: a test case has no name of its own")
    return faults


def main(arguments):
    match arguments:
        case ["schema", schema, *paths] if paths:
            faults = [fault for found in against_schema(schema, paths).values() for fault in found]
        case ["refused", schema, *paths] if paths:
            found = against_schema(schema, paths)
            faults = [f"{path}: nothing is wrong with it" for path in paths if not found[path]]
        case ["junit", *paths] if paths:
            faults = as_junit(paths)
        case _:
            sys.exit(__doc__)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main(sys.argv[1:]))
