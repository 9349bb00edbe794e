"""The bill of materials of one program, in two forms, from the crates that cargo compiles into it:

    sbom.py PACKAGE TRIPLE PRECURSOR BOM [DEBIAN_PACKAGE=VERSION...]

PRECURSOR is for cargo-auditable, which puts it into the binary: JSON as `cargo build -Z sbom` writes it.
BOM is CycloneDX. A DEBIAN_PACKAGE is one whose static library is linked in besides.

The crates are those of `cargo tree`, which asks the resolver that builds. `cargo metadata`, which
cargo-auditable and cargo-cyclonedx ask by themselves, adds the features of all packages of the workspace up, and takes
an optional dependency for a real one: it has `ring` and `azure_identity` in the sidecar, where they are not.

Nothing in either form changes from one build to the next; SOURCE_DATE_EPOCH is the BOM's time.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], check=True, text=True, stdout=subprocess.PIPE).stdout


def edges(package, triple, kinds):
    """The crates that `cargo tree` reaches by these kinds of edges, as (name, version), each with those that
    it depends on. The first is the package itself."""
    tree = cargo("tree", "-p", package, "--target", triple, "-e", kinds, "--prefix", "depth", "--format", " {p}")
    found, path = {}, []
    for line in tree.splitlines():
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        crate = (name, version)
        found.setdefault(crate, [])
        path[int(depth):] = [crate]
        if len(path) > 1 and crate not in found[path[-2]]:
            found[path[-2]].append(crate)
    return found


def precursor(linked, every):
    """As Cargo's own: whoever is reached by `normal` edges alone is in the binary."""
    index = {crate: at for at, crate in enumerate(every)}

    def kind(parent, child):
        return "normal" if child in linked.get(parent, []) else "build"

    return {
        "version": 1,
        "root": 0,
        "crates": [
            {
                # A crate of ours has no place of its own: its folder is the machine's affair.
                "id": f"{CRATES_IO if (name, version) in CHECKSUMS else 'path+file:///cambist'}#{name}@{version}",
                "kind": ["bin" if index[name, version] == 0 else "lib"],
                "features": [],
                "dependencies": [
                    {"index": index[child], "kind": kind((name, version), child)} for child in every[name, version]
                ],
            }
            for name, version in every
        ],
        # cargo-auditable reads the fields and uses none of them.
        "rustc": dict.fromkeys(["version", "wrapper", "workspace_wrapper", "commit_hash", "host", "verbose_version"], ""),
    }


def component(crate, licences, kind=ComponentType.LIBRARY):
    name, version = crate
    purl = PackageURL("cargo", name=name, version=version)
    checksum = CHECKSUMS.get(crate)
    return Component(
        type=kind,
        name=name,
        version=version,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseFactory().make_from_string(licences[crate])] if licences[crate] else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
    )


def debian(package, version):
    purl = PackageURL("deb", "debian", package, version)
    return Component(type=ComponentType.LIBRARY, name=package, version=version, purl=purl, bom_ref=str(purl))


def bom(linked, triple, packages):
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", triple))
    # Some crates still write MIT/Apache-2.0, which is no SPDX.
    licences = {
        (each["name"], each["version"]): (each["license"] or "").replace("/", " OR ") for each in metadata["packages"]
    }
    root, *others = linked
    parts = {crate: component(crate, licences) for crate in others}
    parts[root] = component(root, licences, ComponentType.APPLICATION)
    libraries = [debian(*package.split("=", 1)) for package in packages]
    rustc = subprocess.run(["rustc", "--version"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()

    made = Bom(components=[parts[crate] for crate in others] + libraries)
    made.metadata.component = parts[root]
    made.metadata.timestamp = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    made.metadata.properties = [Property(name="cambist:target", value=triple), Property(name="cambist:rustc", value=rustc)]
    for crate, children in linked.items():
        made.register_dependency(parts[crate], [parts[child] for child in children] + (libraries if crate == root else []))
    # Of the content, so that it is another one if and only if that is.
    made.serial_number = uuid.UUID(int=0)
    written = JsonV1Dot6(made).output_as_string(indent=1)
    made.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, written)
    return JsonV1Dot6(made).output_as_string(indent=1) + "\n"


with open("Cargo.lock", "rb") as lock:
    CHECKSUMS = {(p["name"], p["version"]): p["checksum"] for p in tomllib.load(lock)["package"] if "checksum" in p}


def main(package, triple, precursor_file, bom_file, *packages):
    linked = edges(package, triple, "normal,no-proc-macro")
    with open(precursor_file, "w") as file:
        json.dump(precursor(linked, edges(package, triple, "normal,build")), file)
    with open(bom_file, "w") as file:
        file.write(bom(linked, triple, packages))


main(*sys.argv[1:])
