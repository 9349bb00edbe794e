# Every recipe is a step of `.ci/run`, the single list of what CI runs.

# what there is
_list:
    @just --list

# all steps, as CI runs them
ci:
    .ci/run

# formatting
fmt:
    .ci/run fmt

# lints, warnings denied
clippy:
    .ci/run clippy

# documentation, warnings denied
doc:
    .ci/run doc

# dependencies: bans, licences, sources
deny:
    .ci/run deny

# dependencies: known vulnerabilities (needs the network)
advisories:
    .ci/run advisories

# each feature alone
features:
    .ci/run features

# beside jsonwebtoken's other crypto feature
crypto:
    .ci/run crypto

# all tests
test:
    .ci/run test

# both programs as they ship
release:
    .ci/run release

# the image for both architectures, looked into and run
image:
    .ci/run image

# what takes minutes: many more schedules for everything that many wait for
long:
    .ci/run long

# the sidecar and the command against a real kube-apiserver
live:
    .ci/run live

# the sidecar's image in pods on a real node
node:
    .ci/run node

# pages in a real browser that try to get a token
pages:
    .ci/run pages

# `cambist issuer check` as a process, its outputs against other people's tools
formats:
    .ci/run formats

# the real Azure SDKs against the sidecar
conformance:
    .ci/run conformance

# the example that the README starts with
quickstart:
    .ci/run quickstart
