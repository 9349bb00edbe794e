# `just` lists what there is. Every recipe but those of the first group is a step of `.ci/run`, the single list of
# what CI runs.

_list:
    @just --list --unsorted

# a simulated cluster, the sidecar and a shell whose apps get tokens; `just try COMMAND...` runs that instead
[group('see it')]
[positional-arguments]
try *command:
    @examples/try {{ if command == '' { '' } else { '-- "$@"' } }}

# the example that the README starts with
[group('see it')]
quickstart:
    .ci/run quickstart

# manual pages and completions of both programs, below DIR, laid out as /usr/local/share is
[group('see it')]
manual DIR:
    cargo run -q -p cambist-tests --bin manual -- '{{ DIR }}'

# all steps, as CI runs them
[group('check a change')]
ci:
    .ci/run

# formatting
[group('check a change')]
fmt:
    .ci/run fmt

# lints, warnings denied
[group('check a change')]
clippy:
    .ci/run clippy

# documentation, warnings denied
[group('check a change')]
doc:
    .ci/run doc

# all tests
[group('check a change')]
test:
    .ci/run test

# the tests that are too slow for each change
[group('check a change')]
slow:
    .ci/run slow

# each feature alone
[group('check a change')]
features:
    .ci/run features

# what takes minutes: many more schedules for everything that many wait for, and a release build under strain
[group('check a change')]
long:
    .ci/run long

# claims about other people's systems that were read more than DAYS ago
[group('check a change')]
sources *DAYS:
    tests/book/sources old {{DAYS}}

# dependencies: bans, licences, sources
[group('dependencies')]
deny:
    .ci/run deny

# dependencies: known vulnerabilities (needs the network)
[group('dependencies')]
advisories:
    .ci/run advisories

# beside jsonwebtoken's other crypto feature
[group('dependencies')]
crypto:
    .ci/run crypto

# both programs as they ship
[group('what ships')]
release:
    .ci/run release

# the image for both architectures, looked into and run
[group('what ships')]
image:
    .ci/run image

# the four libraries as crates.io would get them, used from outside
[group('what ships')]
packages:
    .ci/run packages

# the libraries with the oldest toolchain and the lowest versions
[group('what ships')]
versions:
    .ci/run versions

# the library, the command and the simulator for other systems
[group('what ships')]
targets:
    .ci/run targets

# what is public of the libraries, against what is listed
[group('what ships')]
api:
    .ci/run api

# the manifests, as kustomize and Helm render them
[group('what ships')]
deploy:
    .ci/run deploy

# the outputs of the programs against other people's tools, and `just try` as its reader would use it
[group("beside other people's software")]
formats:
    .ci/run formats

# docs/ as a book, and all links
[group("beside other people's software")]
book:
    .ci/run book

# the real Azure SDKs against the sidecar
[group("beside other people's software")]
conformance:
    .ci/run conformance

# pages in a real browser that try to get a token
[group("beside other people's software")]
pages:
    .ci/run pages

# metrics, alerts and the dashboard by Prometheus' own programs
[group("beside other people's software")]
monitoring:
    .ci/run monitoring

# the sidecar and the command against a real kube-apiserver
[group("beside other people's software")]
live:
    .ci/run live

# the sidecar's image in pods on a real node
[group("beside other people's software")]
node:
    .ci/run node

# a real OpenTelemetry Collector, by name only
[group("beside other people's software")]
otlp:
    .ci/run otlp
