"""Looks at what is monitored with: alerts, dashboard and monitors, against the table of docs/metrics.md and each other.

usage: check.py tests RULES CASES FILE
       check.py names DOCS RULES DASHBOARD
       check.py queries DASHBOARD FILE
       check.py operator RULES FILE
       check.py alike ONE OTHER
       check.py schemas FOLDER OBJECT...
       check.py rendered OPERATOR AZURE ANNOTATIONS

`tests` writes promtool's unit tests of RULES, and `queries` a file of rules with the dashboard's queries, for promtool to read
both; `operator` writes the rules as an object of the Prometheus Operator's. The others print a line for each thing that was
looked at, which begins with `ok: ` or `FAILED: `.
"""

import copy
import json
import pathlib
import re
import sys

import yaml

NAME = re.compile(r"\bcambist_[a-z0-9_]+")
DOCS = "https://github.com/cambist/cambist/blob/main/docs/metrics.md#"


def told(words, faults):
    faults = list(faults)
    print(f"FAILED: {words}: {'; '.join(faults)}" if faults else f"ok: {words}", flush=True)


def text(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def alerts(rules):
    return [rule for group in yaml.safe_load(text(rules))["groups"] for rule in group["rules"]]


def tests(rules, cases, file):
    """Each case, and that nothing is raised where all is well."""
    known = {rule["alert"]: rule for rule in alerts(rules)}
    asked = yaml.safe_load(text(cases))

    def series(differs):
        both = asked["healthy"] | differs
        # 0x60 is a number to YAML.
        numbers = [name for name, values in both.items() if not isinstance(values, str)]
        if numbers:
            sys.exit(f"values are texts, as 0+0x60 is: {numbers}")
        return [{"series": name, "values": values} for name, values in both.items()]

    def expected(case):
        labels = {} if case.get("cluster") else {"namespace": "demo", "pod": "shop-0"}
        rule = known[case["alert"]]
        return {
            "exp_labels": rule["labels"] | labels | case["labels"],
            "exp_annotations": rule["annotations"] | {"summary": case["says"]},
        }

    well = [
        {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": []}
        for name in known
        for minutes in range(1, 120, 7)
    ]
    written = [{"interval": "30s", "input_series": series({}), "alert_rule_test": well}]
    for case in asked["cases"]:
        if case["alert"] not in known:
            sys.exit(f"there is no alert {case['alert']}")
        unknown = [name for name in case["differs"] if not name.startswith("cambist_token_failing") and name not in asked["healthy"]]
        if unknown:
            sys.exit(f"{case['when']}: no such series where all is well, so that it replaces none: {unknown}")
        raised = [] if case.get("silent") else [expected(case)]
        test = {"eval_time": case["at"], "alertname": case["alert"], "exp_alerts": raised}
        written.append({"interval": "30s", "input_series": series(case["differs"]), "alert_rule_test": [test]})
    never = known.keys() - {case["alert"] for case in asked["cases"] if not case.get("silent")}
    if never:
        sys.exit(f"in no case raised: {', '.join(sorted(never))}")
    where = str(pathlib.Path(rules).resolve())
    content = yaml.safe_dump({"rule_files": [where], "evaluation_interval": "30s", "tests": written})
    pathlib.Path(file).write_text(content, encoding="utf-8")
    print(f"{len(known)} alerts, {len(asked['cases'])} cases")


def panels(dashboard):
    for panel in json.loads(text(dashboard))["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries(dashboard):
    """Each query, as Grafana sends it."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
            yield panel["title"], re.sub(r"\$(namespace|pod)\b", ".+", query)


def write_queries(dashboard, file):
    written = list(queries(dashboard))
    rules = [{"record": f"panel:{n}", "expr": query} for n, (_, query) in enumerate(written)]
    pathlib.Path(file).write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    print(f"{len(written)} queries")


def names(docs, rules, dashboard):
    """All that is asked for is in the table, with labels that it has; and each alert has its place in the page."""
    page = text(docs)
    rows = re.findall(r"^\| `(cambist_\w+)` \| (\w+) \| ([^|]*) \|", page, re.MULTILINE)
    table = {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels in rows}
    for name, kind, _ in rows:
        if kind == "histogram":
            table |= {f"{name}_{part}": table[name] | {"le"} for part in ("bucket", "count", "sum")}
    told("the table has metrics", [] if len(table) > 40 else [f"only {len(table)}"])
    # What a scraper adds.
    added = {"namespace", "pod", "job", "instance", "container"}

    def faults(query):
        found = NAME.findall(query)
        # A panel may ask for nothing of cambist's but whether it is scraped at all.
        if not found and not re.search(r"\bup\b", query):
            yield "asks for no metric"
        for name in found:
            if name not in table:
                yield f"no metric {name}"
        for name, matchers in re.findall(r"\b(cambist_\w+)\{([^}]*)\}", query):
            for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
                if label not in table.get(name, set()) | added:
                    yield f"{name} has no label {label}"
        known = set().union(*(table.get(name, set()) for name in found)) | added
        for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query):
            for label in filter(None, re.split(r"[\s,]+", labels)):
                if label not in known:
                    yield f"nothing has the label {label}"

    asked = [(rule["alert"], rule["expr"]) for rule in alerts(rules)]
    shown = list(queries(dashboard))
    for title in dict.fromkeys(title for title, _ in asked + shown):
        found = [fault for it, query in asked + shown if it == title for fault in faults(query)]
        told(f"{title}: asks for what is in the table", found)
    told("a metric that there is not is found", [] if list(faults("cambist_nothing")) else ["it is not"])
    told("a label that there is not is found", [] if list(faults('cambist_build_info{colour="red"}')) else ["it is not"])
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    expected = [name for name, _ in asked]
    told("the page says of each alert what to do, in their order", [] if headings == expected else [f"{headings}"])
    for rule in alerts(rules):
        where = DOCS + rule["alert"].lower()
        told(f"{rule['alert']} leads there", [] if rule["annotations"]["runbook_url"] == where else [where])


def operator(rules, file):
    """The same rules, word for word, in an object."""
    head = (
        "# Made of ../rules.yaml by `tests/monitoring/run write`: change that.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        "  name: cambist\n"
        "  labels:\n"
        "    app.kubernetes.io/name: cambist\n"
        "    app.kubernetes.io/part-of: cambist\n"
        "spec:\n"
    )
    body = text(rules).split("\ngroups:\n", 1)[1]
    lines = ["groups:", *body.splitlines()]
    content = head + "".join(f"  {line}\n" if line else "\n" for line in lines)
    pathlib.Path(file).write_text(content, encoding="utf-8")


def alike(one, other):
    """Two monitors that differ in their API group alone."""
    first, second = (yaml.safe_load(text(path)) for path in (one, other))
    groups = (first.pop("apiVersion"), second.pop("apiVersion"))
    faults = [] if first == second else ["they differ in more"]
    if groups != ("monitoring.coreos.com/v1", "azmonitoring.coreos.com/v1"):
        faults.append(f"the groups are {groups}")
    told("the two PodMonitors differ in their API group alone", faults)


def closed(schema):
    """The same, without room for fields that it does not name: the API server would drop them."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    return schema


def schemas(folder, paths):
    """Objects of the operator's, by the schemas of its CRDs."""
    import jsonschema

    known = {}
    for path in (pathlib.Path(folder) / f"monitoring.coreos.com_{plural}.yaml" for plural in ("podmonitors", "prometheusrules")):
        crd = yaml.safe_load(text(path))
        for version in crd["spec"]["versions"]:
            known[crd["spec"]["names"]["kind"], version["name"]] = closed(version["schema"]["openAPIV3Schema"])
    for path in paths:
        for it in filter(None, yaml.safe_load_all(text(path))):
            schema = known[it["kind"], it["apiVersion"].split("/")[1]]
            schema = copy.deepcopy(schema)
            schema["properties"]["metadata"] = {"type": "object"}
            check = jsonschema.Draft7Validator(schema)
            faults = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in check.iter_errors(it)]
            told(f"{it['apiVersion']} {it['kind']} is as its CRD says", faults)
            it["spec"]["misspelt"] = 1
            told(f"a misspelt field of {it['kind']} is found", [] if list(check.iter_errors(it)) else ["it is not"])


def template(it):
    """The pods of a workload, if it is one."""
    spec = it.get("spec", {})
    return spec.get("jobTemplate", {"spec": spec})["spec"].get("template")


def rendered(operator, azure, annotations):
    """What kustomize makes of the three ways to be scraped."""
    built = {}
    for path in (operator, azure, annotations):
        built[path] = list(filter(None, yaml.safe_load_all(text(path))))

    def one(path, kind):
        found = [it for it in built[path] if it["kind"] == kind]
        return found[0] if len(found) == 1 else {}

    def selects(it):
        return it["spec"]["selector"]["matchLabels"].items()

    for path, words, kinds in (
        (operator, "the operator's", {"PodMonitor": "monitoring.coreos.com/v1", "PrometheusRule": "monitoring.coreos.com/v1"}),
        (azure, "Azure's", {"PodMonitor": "azmonitoring.coreos.com/v1"}),
    ):
        for kind, api in kinds.items():
            found = one(path, kind)
            there = (found.get("apiVersion"), found.get("metadata", {}).get("namespace"))
            told(f"{words} {kind} is in the namespace", [] if there == (api, "shop") else [f"{there}"])
        pods = [template(it) for it in built[path] if template(it)]
        with_sidecar = [it for it in pods if any(c["name"] == "cambist" for c in it["spec"].get("initContainers", []))]
        selected = [it for it in pods if selects(one(path, "PodMonitor")) <= it["metadata"]["labels"].items()]
        right = len(with_sidecar) == 3 and selected == with_sidecar and len(pods) == 4
        told(f"{words} PodMonitor selects the pods with the sidecar and no others", [] if right else [f"{len(selected)} of {len(pods)}"])
    for path, namespace in ((operator, "monitoring"), (azure, "kube-system"), (annotations, "monitoring")):
        rule = one(path, "NetworkPolicy")["spec"]["ingress"][1]
        found = rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        told(f"port {rule['ports'][0]['port']} is open to {namespace}", [] if found == namespace else [found])
        opened = one(path, "ConfigMap")["data"]["CAMBIST_ADMIN_LISTEN"]
        told("the sidecar listens there", [] if opened == "0.0.0.0:8422" else [opened])
    expected = {"prometheus.io/scrape": "true", "prometheus.io/port": "8422", "prometheus.io/path": "/metrics"}
    for it in built[annotations]:
        if template(it):
            found = template(it)["metadata"].get("annotations", {}).items()
            has = expected.items() <= found
            right = has == (it["metadata"]["name"] != "other")
            told(f"{it['kind']} {it['metadata']['name']} is {'' if has else 'not '}to be scraped", [] if right else [f"{dict(found)}"])


def main(command, *arguments):
    match command:
        case "tests":
            tests(*arguments)
        case "names":
            names(*arguments)
        case "queries":
            write_queries(*arguments)
        case "operator":
            operator(*arguments)
        case "alike":
            alike(*arguments)
        case "schemas":
            schemas(arguments[0], arguments[1:])
        case "rendered":
            rendered(*arguments)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
