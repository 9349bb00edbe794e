"""Writes the chart's templates from what kustomize builds, so that nobody keeps both by hand:

    generate.py NAMESPACE V1 V1BETA1 FOLDER

The first is what kustomize builds of this folder, the next two of ../inject's. `tests/deploy/run chart` does all of
it. Needs PyYAML. A template is the built object with some of its fields replaced by values of the chart: those of
`FIELDS` and of the policies' text. tests/deploy/run fails when the templates are out of date.
"""

import pathlib
import re
import sys

import yaml

IMAGE = "ghcr.io/cambist/cambist-sidecar:0.1.0"
AUDIENCE = '"api://AzureADTokenExchange"'

# Each template: its file, the objects in it, and the conditions around them.
FILES = [
    ("service-accounts", "ServiceAccount demo", "range $account, $its := .Values.accounts"),
    ("settings", "ConfigMap cambist", None),
    ("observe", ".* cambist-(observer|issuer-history)", "if .Values.observe.enabled"),
    ("monitoring", "NetworkPolicy cambist-admin", "if .Values.monitoring.enabled"),
    ("egress", "NetworkPolicy cambist-egress", "if .Values.egress.enabled"),
    ("quota", "(ResourceQuota|LimitRange) cambist", "if .Values.quota.enabled"),
]

# Which field of which object is which value, as a template says it.
FIELDS = [
    ("ServiceAccount demo", "metadata.name", "$account | quote"),
    ("ServiceAccount demo", "metadata.labels.app.kubernetes.io/name", "$account | quote"),
    ("ConfigMap cambist", "data", None),
    ("RoleBinding .*", "subjects.0.namespace", "$.Release.Namespace | quote"),
    ("CronJob .*", "spec.schedule", "$.Values.observe.schedule | quote"),
    ("CronJob .*", "spec.jobTemplate.spec.template.spec.containers.0.image", "$.Values.image | quote"),
    (
        "NetworkPolicy cambist-admin",
        "spec.ingress.1.from.0.namespaceSelector.matchLabels.kubernetes.io/metadata.name",
        "$.Values.monitoring.namespace | quote",
    ),
    ("ResourceQuota .*", "spec.hard", "toYaml $.Values.quota.hard | nindent 4"),
    (".*", "metadata.namespace", "$.Release.Namespace | quote"),
]
SETTINGS = 'include "cambist.settings" $ | nindent 2'

# An API that the cluster has not would be told by the API server alone, and in other words.
FITTING = """{{- $fits := dict "v1" ">=1.36.0-0" "v1beta1" ">=1.35.0-0 <1.36.0-0" }}
{{- if not (semverCompare (get $fits .Values.inject.api) .Capabilities.KubeVersion.Version) }}
{{- fail (printf "inject.api is %s, and the cluster is Kubernetes %s: v1 is for 1.36 and newer, v1beta1 for 1.35; for 1.34 \
set inject.policies=false and take `cambist deploy inject --version 1.34`. (helm template is told by --kube-version.)" \
.Values.inject.api .Capabilities.KubeVersion.Version) }}
{{- end }}
"""


class Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and lists indented, as people write them."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)


def name(it):
    return f"{it['kind']} {it['metadata']['name']}"


def swap(it, path, mark):
    """Puts a mark where the path leads; a step may have dots, as labels have. Whether there was something."""
    if isinstance(it, list):
        first, _, rest = path.partition(".")
        return swap(it[int(first)], rest, mark)
    for step in it if isinstance(it, dict) else ():
        if path == step:
            it[step] = mark
            return True
        if path.startswith(step + "."):
            return swap(it[step], path.removeprefix(step + "."), mark)
    return False


def template(it):
    """An object as a template."""
    expressions, words = [], name(it)
    for objects, path, expression in FIELDS:
        if re.fullmatch(objects, words) and swap(it, path, f"@{len(expressions)}@"):
            expressions.append(expression or SETTINGS)
    written = yaml.dump(it, Dumper=Dumper, sort_keys=False, width=1000)

    def filled(mark):
        expression = expressions[int(mark[1])]
        # What begins a block takes the space before it away.
        return ("{{- " if "nindent" in expression else "{{ ") + expression + " }}"

    return re.sub(r"'@(\d+)@'", filled, written)


def policy(it):
    """A policy as a template: the image and the audience stand in its texts."""
    written = yaml.dump(it, Dumper=Dumper, sort_keys=False, width=1000)
    if "{{" in written:
        sys.exit(f"{name(it)}: its text would be taken for a template's")
    return written.replace(IMAGE, "{{ $.Values.image }}").replace(AUDIENCE, '"{{ $.Values.inject.audience }}"')


def main(namespace, stable, beta, folder):
    def read(path):
        return [it for it in yaml.safe_load_all(pathlib.Path(path).read_text(encoding="utf-8")) if it]

    folder = pathlib.Path(folder)
    head = "{{- /* Made by chart-source/generate.py: change what it is made of, not this. */ -}}\n"
    # The namespace is where Helm keeps the release, and so there before it.
    left = [it for it in read(namespace) if it["kind"] != "Namespace"]
    for file, objects, condition in FILES:
        found = [it for it in left if re.fullmatch(objects, name(it))]
        left = [it for it in left if it not in found]
        body = "".join("---\n" + template(it) for it in found)
        if condition:
            body = f"{{{{- {condition} }}}}\n{body}{{{{- end }}}}\n"
        (folder / f"{file}.yaml").write_text(head + body, encoding="utf-8")
    if left:
        sys.exit(f"in no file of the chart: {', '.join(map(name, left))}")
    body = "{{- if .Values.inject.policies }}\n" + FITTING
    for word, path in (('if eq .Values.inject.api "v1"', stable), ("else", beta)):
        body += f"{{{{- {word} }}}}\n" + "".join("---\n" + policy(it) for it in read(path))
    (folder / "inject.yaml").write_text(head + body + "{{- end }}\n{{- end }}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
