"""Looks into an image as it was built, from its archive alone, and says what is not as promised:

    check.py ARCH FOLDER BASE AUDIT_INFO

FOLDER has `cambist-sidecar-ARCH.tar` and, below ARCH, what `compile` left; the bills of materials in the
image are copied into it. AUDIT_INFO is the program rust-audit-info, which reads what cargo-auditable has put into a binary.
Three ways to the crates of a program must lead to the same ones: the bill of materials, the binary itself, and what
cargo said it compiled; Cargo.lock has each, with the same checksum.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

MOST_BYTES = 10_000_000
PROGRAMS = ["cambist", "cambist-sidecar"]
FOLDERS = ["etc", "etc/ssl", "etc/ssl/certs", "usr", "usr/local", "usr/local/bin", "usr/share", "usr/share/sbom"]
FILES = {
    "etc/group": 0o644,
    "etc/nsswitch.conf": 0o644,
    "etc/passwd": 0o644,
    "etc/ssl/certs/ca-certificates.crt": 0o644,
    **{f"usr/local/bin/{program}": 0o755 for program in PROGRAMS},
    **{f"usr/share/sbom/{program}.cdx.json": 0o644 for program in PROGRAMS},
}
# What must not be in them: other cryptography than aws-lc, a developer's own sign-in, and in the sidecar the big
# numbers that the command factors with.
NEVER = {
    "cambist": {"azure_core", "azure_identity", "openssl", "ring"},
    "cambist-sidecar": {"azure_core", "azure_identity", "num-bigint", "openssl", "ring"},
}

failed = 0


def holds(what, true, told=""):
    global failed
    failed += not true
    print(f"ok: {ARCH}: {what}" if true else f"FAILED: {ARCH}: {what} {told}", file=sys.stdout if true else sys.stderr)


def equal(what, found, wanted):
    holds(what, found == wanted, f"- it is {found!r}, not {wanted!r}")


def archive(path):
    """Configuration and layers; each blob is what its digest says."""
    with tarfile.open(path) as tar:
        def blob(descriptor):
            content = tar.extractfile("blobs/" + descriptor["digest"].replace(":", "/")).read()
            assert "sha256:" + hashlib.sha256(content).hexdigest() == descriptor["digest"], descriptor
            assert len(content) == descriptor["size"], descriptor
            return content

        index = json.load(tar.extractfile("index.json"))
        (only,) = index["manifests"]
        manifest = json.loads(blob(only))
        return manifest, json.loads(blob(manifest["config"])), [blob(layer) for layer in manifest["layers"]]


def configuration(config, manifest):
    equal("architecture", (config["os"], config["architecture"]), ("linux", ARCH))
    settings = config["config"]
    equal("entrypoint, in exec form", settings["Entrypoint"], ["/usr/local/bin/cambist-sidecar"])
    equal("no command beside it", settings.get("Cmd"), None)
    equal("user", settings["User"], "65532:65532")
    holds("PATH", "PATH=/usr/local/bin" in settings["Env"], settings["Env"])
    equal("no volume and no port", (settings.get("Volumes"), settings.get("ExposedPorts")), (None, None))
    with open("Cargo.toml", "rb") as file:
        package = tomllib.load(file)["workspace"]["package"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in settings["Labels"].items()}
    holds("title and description", labels.pop("title") == "cambist-sidecar" and len(labels.pop("description")) > 20)
    wanted = {
        "source": package["repository"],
        "licenses": package["license"],
        "version": package["version"],
        "revision": os.environ["REVISION"],
        "created": config["created"],
        "base.name": BASE,
    }
    if BASE != "scratch":
        labels = {name: labels.get(name) for name in wanted}
    equal("the other labels", labels, wanted)
    annotations = manifest.get("annotations", {})
    equal("annotation of the base's digest", annotations.get("org.opencontainers.image.base.digest"),
          BASE.split("@")[1] if "@" in BASE else None)


def unpack(layers):
    """Each entry of the layers, by its path: its header and its content."""
    found = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as tar:
            for entry in tar:
                found[entry.name.strip("/")] = (entry, tar.extractfile(entry).read() if entry.isfile() else b"")
    return found


def files(found):
    if BASE == "scratch":
        equal("folders", sorted(name for name, (entry, _) in found.items() if entry.isdir()), sorted(FOLDERS))
        equal("files, of which none is a shell", {n: e.mode & 0o7777 for n, (e, _) in found.items() if not e.isdir()}, FILES)
        epoch = int(os.environ["SOURCE_DATE_EPOCH"])
        equal("times other than SOURCE_DATE_EPOCH", {n: e.mtime for n, (e, _) in found.items() if e.mtime != epoch}, {})
    else:
        equal("files", {name: found[name][0].mode & 0o7777 for name in FILES}, FILES)
        shells = [name for name in found if re.search(r"bin/(ba|da|z|k|)sh$|busybox", name)]
        equal("shells", shells, [])
    equal("special files", [name for name, (entry, _) in found.items() if entry.isdev()], [])
    odd = {n: oct(e.mode) for n, (e, _) in found.items() if e.mode & 0o6000 or (not e.issym() and e.mode & 0o022 and not e.mode & 0o1000)}
    equal("setuid or writable by others", odd, {})
    ours = [*FILES, *FOLDERS] if BASE == "scratch" else FILES
    equal("not root's", [name for name in ours if (found[name][0].uid, found[name][0].gid) != (0, 0)], [])
    certificates = found["etc/ssl/certs/ca-certificates.crt"][1].count(b"-----BEGIN CERTIFICATE-----")
    holds(f"{certificates} CA certificates", certificates > 100)
    # Where this was built is told by nothing in it.
    places = [os.getcwd(), os.path.expanduser("~") + "/.", str(FOLDER), sysroot()]
    for name in FILES:
        equal(f"places of this machine in {name}", [p for p in places if p.encode() in found[name][1]], [])


def sysroot():
    return subprocess.run(["rustc", "--print", "sysroot"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def binary(program, content):
    """Static, for its architecture, without symbols. The crates that it says are in it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()

        def run(*command):
            return subprocess.run([*command, file.name], check=True, text=True, stdout=subprocess.PIPE).stdout

        told = run("readelf", "--wide", "--file-header", "--program-headers", "--section-headers")
        machine = {"amd64": "X86-64", "arm64": "AArch64"}[ARCH]
        holds(f"{program}: {len(content)} bytes for {machine}", machine in told)
        holds(f"{program}: static", "INTERP" not in told and "NEEDED" not in run("readelf", "--dynamic"))
        holds(f"{program}: without symbols", ".symtab" not in told)
        packages = json.loads(run(AUDIT_INFO))["packages"]
    return {(each["name"], each["version"]) for each in packages if each.get("kind", "runtime") == "runtime"}


def bill(program, content):
    """Valid, and its crates with their checksums."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode())
    holds(f"{program}: its bill of materials is CycloneDX", found is None, found)
    told = json.loads(content)
    components = [*told["components"], told["metadata"]["component"]]
    crates = {}
    for each in components:
        if PackageURL.from_string(each["purl"]).type == "cargo":
            crates[each["name"], each["version"]] = each.get("hashes", [{}])[0].get("content")
    holds(f"{program}: it has the C library, too", any(each["name"].startswith("libc6-dev") for each in components))
    return crates


def compiled(program):
    """What cargo compiled for the image's own architecture, and not for that of its build scripts."""
    crates = set()
    for line in (FOLDER / ARCH / f"{program}.compiled").read_text().splitlines():
        told = json.loads(line)
        if told["reason"] != "compiler-artifact" or "linux-gnu/release/" not in told["filenames"][0]:
            continue
        place, version = told["package_id"].rsplit("#", 1)
        name, _, version = version.rpartition("@")
        crates.add((name or place.rsplit("/", 1)[-1], version))
    return crates


def crates(found):
    with open("Cargo.lock", "rb") as file:
        lock = {(each["name"], each["version"]): each.get("checksum") for each in tomllib.load(file)["package"]}
    for program in PROGRAMS:
        content = found[f"usr/share/sbom/{program}.cdx.json"][1]
        told, built = bill(program, content), compiled(program)
        within = binary(program, found[f"usr/local/bin/{program}"][1])
        equal(f"{program}: Cargo.lock has each of its {len(told)} crates", told, {each: lock.get(each) for each in told})
        equal(f"{program}: crates in the bill and not compiled, or the other way", set(told) ^ built, set())
        equal(f"{program}: crates in the bill and not in the binary, or the other way", set(told) ^ within, set())
        equal(f"{program}: crates that must not be there", {name for name, _ in told} & NEVER[program], set())
        (FOLDER / f"{program}-{ARCH}.cdx.json").write_bytes(content)


ARCH, FOLDER, BASE, AUDIT_INFO = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4]
manifest, config, layers = archive(FOLDER / f"cambist-sidecar-{ARCH}.tar")
configuration(config, manifest)
size = sum(map(len, layers))
holds(f"{len(layers)} layers of {size} bytes, compressed; {MOST_BYTES} at most", size <= MOST_BYTES)
found = unpack(layers)
files(found)
crates(found)
sys.exit(failed > 0)
