# shellcheck shell=bash
# docs/first-contribution.md, as far as it can be held without compiling: its patches apply, and what it names is
# there. Sourced by `run`, whose `valid`, `pass`, `fail` and `skip` it uses.

walked() {
    local page=docs/first-contribution.md patch=$work/walked.patch
    command -v git >/dev/null || {
        skip "git: the patches of $page are not tried"
        return
    }
    sed -n '/^```diff$/,/^```$/{/^```/!p;}' $page >"$patch"
    if (($(grep -c '^+++ ' "$patch") == 7)); then pass 'walk: seven files change'; else fail "walk: another number of files: $patch"; fi
    valid 'walk: the patches apply' git apply --check "$patch"
    each_is_there 'file' '`[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+`' test -e
    each_is_there 'test' '`[a-z]+(_[a-z]+){4,}`' grep -rqw --include=*.rs crates -e
    each_is_there 'way to write pages' '^CAMBIST_WRITE=1 cargo test .*$' grep -qF docs/reasons.md -e
}

# each_is_there WHAT REGEX TEST...: whether the test succeeds with all that the page names so.
each_is_there() {
    local what=$1 regex=$2 name names
    shift 2
    mapfile -t names < <(grep -oE -- "$regex" "$page" | tr -d '`' | sort -u)
    ((${#names[@]})) || fail "walk: no $what is named"
    for name in "${names[@]}"; do
        if "$@" "$name"; then pass "walk: $name"; else fail "walk: there is no $what $name"; fi
    done
}
