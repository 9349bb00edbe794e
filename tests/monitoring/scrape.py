"""Has a real Prometheus scrape a real sidecar, in both text forms, and raise an alert.

usage: scrape.py WORK SIM SIDECAR PROMETHEUS PROMTOOL RULES

Everything listens on loopback, on free ports. Prometheus reaches the sidecar through a relay of this process, which notes what
was asked for and what was answered, and which takes OpenMetrics out of the wishes of one of two jobs: Debian's Prometheus can
be told only since 2.49 which form to ask for. Prints a line for each thing that was looked at, which begins with `ok: ` or
`FAILED: `.
"""

import http.client
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

PATIENCE = 30
TEXT = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def told(words, good, why=""):
    print(f"ok: {words}" if good else f"FAILED: {words}: {why}", flush=True)


def until(what, found):
    """What `found` returns once it is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            result = found()
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            # It is not there yet, or says so in words of its own.
            result = None
        if result:
            return result
        time.sleep(0.05)
    sys.exit(f"{what}: not within {PATIENCE} s")


def variables(path):
    lines = re.findall(r"^(?:export )?(\w+)=(.*)$", pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return {name: value.strip("'\"") for name, value in lines}


class Relay(http.server.ThreadingHTTPServer):
    """/open-metrics and /text are both the sidecar's /metrics."""

    daemon_threads = True

    def __init__(self, admin):
        super().__init__(("127.0.0.1", 0), Handler)
        self.admin, self.seen = admin, {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Accept", "")
        accept = TEXT if self.path == "/text" else asked
        answer = get(self.server.admin, "/metrics", {"Accept": accept})
        kind = answer.headers["Content-Type"]
        self.server.seen[self.path] = (asked, kind)
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def get(at, path, headers):
    connection = http.client.HTTPConnection(at, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def main(work, sim, sidecar, prometheus, promtool, rules):
    work, running = pathlib.Path(work), []

    def start(name, *command, env=None):
        log = (work / f"{name}.log").open("wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        running.append(process)
        return process

    def alive(it, name):
        if it.poll() is not None:
            sys.exit(f"{name} has ended: {(work / f'{name}.log').read_text(errors='replace')[-2000:]}")
        return True

    try:
        world = start("sim", sim, "up", "--dir", work / "world")
        until("the simulator", lambda: alive(world, "sim") and (work / "world/env").exists() and (work / "world/app.env").exists())
        env = variables(work / "world/env")
        own = {"CAMBIST_LISTEN": "0", "CAMBIST_ADMIN_LISTEN": "127.0.0.1:0", "PATH": os.environ["PATH"]}
        ours = start("sidecar", sidecar, env=env | own)

        def serving():
            alive(ours, "sidecar")
            lines = (work / "sidecar.log").read_text(encoding="utf-8").splitlines()
            lines = [json.loads(line) for line in lines if line.startswith("{")]
            return next((line for line in lines if line.get("message") == "serving"), None)

        said = until("the sidecar", serving)
        tokens, admin = said["tokens"].split(",")[0], said["admin"]

        def ask(resource):
            query = urllib.parse.urlencode({"api-version": "2019-08-01", "resource": resource})
            return get(tokens, f"/msi/token?{query}", {"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]}).status

        def fault(path, body):
            data = json.dumps(body).encode()
            urllib.request.urlopen(env["SIM_ADMIN"] + path, data=data, timeout=10).close()

        status = ask("https://vault.azure.net")
        told("an app gets a token", status == 200, status)

        for form, accept in (("the text form", "*/*"), ("OpenMetrics", "application/openmetrics-text")):
            answer = get(admin, "/metrics", {"Accept": accept})
            text = answer.read()
            (work / f"{'text' if accept == '*/*' else 'open-metrics'}.txt").write_bytes(text)
            if accept == "*/*":
                read = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
                said = (read.stdout + read.stderr).decode()
                told("promtool check metrics accepts the text form, and has nothing to say", read.returncode == 0 and not said, said)
            told(f"{form} is answered to {accept}", answer.status == 200, answer.status)
        broken = subprocess.run([promtool, "check", "metrics"], input=text + b"x{ 1\n", capture_output=True, check=False)
        told("promtool finds what is broken", broken.returncode != 0, broken.returncode)

        relay = Relay(admin)
        quick = work / "quick.yaml"
        # The same alerts, without their patience.
        quick.write_text(re.sub(r"\bfor: \w+", "for: 1s", pathlib.Path(rules).read_text(encoding="utf-8")), encoding="utf-8")
        target = f"127.0.0.1:{relay.server_port}"
        job = "  - {{job_name: {0}, metrics_path: {1}, static_configs: [{{targets: ['{2}'], labels: {{namespace: demo, pod: {0}}}}}]}}\n"
        (work / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{pathlib.Path(rules).resolve()}', '{quick.resolve()}']\n"
            "scrape_configs:\n" + job.format("demo/cambist", "/open-metrics", target) + job.format("text", "/text", target),
            encoding="utf-8",
        )
        checked = subprocess.run([promtool, "check", "config", work / "prometheus.yml"], capture_output=True, check=False)
        told("promtool check config accepts it with the rules", checked.returncode == 0, checked.stdout + checked.stderr)
        at = f"127.0.0.1:{free_port()}"
        server = start(
            "prometheus",
            prometheus,
            f"--config.file={work / 'prometheus.yml'}",
            f"--storage.tsdb.path={work / 'data'}",
            f"--web.listen-address={at}",
            "--log.level=warn",
        )

        def api(path):
            alive(server, "prometheus")
            return json.load(get(at, f"/api/v1/{path}", {}))["data"]

        def values(query, job="demo/cambist"):
            found = api("query?" + urllib.parse.urlencode({"query": query}))["result"]
            labels = lambda it: frozenset((k, v) for k, v in it["metric"].items() if k not in ("job", "pod"))
            return {labels(it): it["value"][1] for it in found if it["metric"].get("job", job) == job}

        def both(query):
            one, other = values(query), values(query, "text")
            return one if one and one == other else None

        groups = until("Prometheus", lambda: api("rules")["groups"])
        loaded = [rule for group in groups for rule in group["rules"]]
        expected = 2 * len(re.findall(r"^ +- alert:", pathlib.Path(rules).read_text(encoding="utf-8"), re.MULTILINE))
        told(f"Prometheus has loaded the rules, {len(loaded)} of them", len(loaded) == expected, expected)
        until("both are scraped", lambda: len(values("up == 1")) == len(values("up == 1", "text")) == 1)
        for form, path, kind in (
            ("OpenMetrics", "/open-metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            ("the text form", "/text", "text/plain; version=0.0.4; charset=utf-8"),
        ):
            told(f"{form} is what was answered at {path}", relay.seen[path][1] == kind, relay.seen[path])
        asked = relay.seen["/open-metrics"][0]
        told(f"Prometheus itself asked for OpenMetrics: {asked}", "application/openmetrics-text" in asked, asked)
        for query, value in (
            ('cambist_served_total{how="fetched"}', "1"),
            ("cambist_build_info", "1"),
            ('cambist_wait_duration_seconds_bucket{how="fetched",le="+Inf"}', "1"),
            ("cambist_token_held", "1"),
            ("cambist_runway_seconds > bool 3000", "1"),
        ):
            found = until(query, lambda query=query: both(query))
            told(f"{query} arrived in both forms, and is {value}", list(found.values()) == [value], found)
        one, other = (values("count({__name__=~'cambist_.+'}) by (job)", name) for name in ("demo/cambist", "text"))
        told(f"both forms have as many series: {[*one.values()]}", one and [*one.values()] == [*other.values()], other)
        # Prometheus refuses a scrape whose names or help it cannot read, and tells here.
        errors = [it["lastError"] for it in api("targets")["activeTargets"]]
        told("neither scrape has an error", not any(errors), errors)

        def state(alert):
            rules = [rule for group in api("rules")["groups"] for rule in group["rules"] if rule["name"] == alert]
            return {rule["state"] for rule in rules}

        # Rules with patience stay as they are.
        told("no token fails, and the alert is inactive", state("CambistTokenFailing") == {"inactive"}, state("CambistTokenFailing"))
        fault("/sim/fault", {"target": "entra", "kind": "aadsts", "code": 700016})
        status = ask("https://vault.azure.net")
        told("the token that is held is still answered", status == 200, status)
        status = ask("https://storage.azure.com")
        told("Entra refuses another token", status == 403, status)
        firing = until("the alert is raised", lambda: "firing" in state("CambistTokenFailing"))
        raised = [it for it in api("alerts")["alerts"] if it["labels"]["alertname"] == "CambistTokenFailing" and it["state"] == "firing"]
        summary = raised[0]["annotations"]["summary"] if raised else ""
        told(f"the alert is firing: {summary}", firing and "entra_app_unknown" in summary, raised)
        # What the identity is refused, no other resource would be given either.
        told("and so is that of the runway", until("the runway", lambda: "firing" in state("CambistRunwayLow")), state("CambistRunwayLow"))
        others = {it["labels"]["alertname"] for it in api("alerts")["alerts"] if it["state"] == "firing"}
        others -= {"CambistTokenFailing", "CambistRunwayLow"}
        # What the kernel lacks that this runs on is no matter here, nor that a new issuer's keys are of unknown age.
        told("and these alone", not others - {"CambistUnconfined", "CambistKeyAgeUnknown"}, others)
        fault("/sim/clear", {})
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(timeout=20)


if __name__ == "__main__":
    main(*sys.argv[1:])
