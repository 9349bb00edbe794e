# shellcheck shell=bash
# `examples/try`, with a command and with a shell. Sourced by `run`, whose `pass` and `fail` it uses.

try_it() {
    local dir=$work/try
    rm -rf "$dir"
    mkdir -p "$dir"
    try_with_a_command
    try_with_a_shell
}

# It gives the command what an app has, ends with its exit code, and leaves nothing behind.
try_with_a_command() {
    local code=0 asked where admin
    # shellcheck disable=SC2016
    asked='cambist token get --resource https://vault.azure.net
        env | grep -E "^(AZURE_TENANT_ID|AZURE_FEDERATED_TOKEN_FILE)="
        echo "at ${IDENTITY_ENDPOINT%/msi/token} http://$CAMBIST_ADMIN_LISTEN $SIM_ADMIN"
        exit 7'
    AZURE_TENANT_ID=of-the-caller CAMBIST_NO_SUCH=x TMPDIR=$dir \
        examples/try -- bash -c "$asked" >"$work/try.out" 2>"$work/try.err" || code=$?
    if ((code == 7)); then pass 'try: ends as the command does'; else fail "try: exit code $code: $(<"$work/try.err")"; fi
    if grep -q '^audience   https://vault.azure.net$' "$work/try.out"; then pass 'try: there is a token'; else fail 'try: there is no token'; fi
    if grep -q '^AZURE_' "$work/try.out"; then fail 'try: the command has what is not an app'\''s'; else pass "try: the command has an app's variables"; fi
    where=$(sed -n 's/^at //p' "$work/try.out")
    # Word by word.
    # shellcheck disable=SC2086
    set -- $where
    if (($# == 3)); then pass 'try: it says where all is'; else fail "try: it is at $where"; fi
    for admin; do
        if curl -s -o "$work/try.curl" "$admin"; then fail "try: something still listens at $admin"; else pass "try: nothing listens at $admin any more"; fi
    done
    nothing_left 'a command'
}

# What it says is there to try can be tried.
try_with_a_shell() {
    local code=0 lines tried
    echo 'cambist token get --resource https://vault.azure.net; exit 3' |
        SHELL=bash TMPDIR=$dir examples/try >"$work/try.shell" 2>"$work/try.err" || code=$?
    if ((code == 3)); then pass 'try: ends as its shell does'; else fail "try: exit code $code: $(<"$work/try.err")"; fi
    if grep -q '^audience   https://vault.azure.net$' "$work/try.shell"; then pass 'try: the shell has a token'; else fail 'try: the shell has no token'; fi
    nothing_left 'a shell'
    lines=$(grep -E '^  (cambist |curl |echo |  ")' "$work/try.shell" || true)
    tried=$(grep -c '^  [ce]' <<<"$lines" || true)
    if ((tried == 6)); then pass 'try: it shows six commands'; else fail "try: it shows $tried commands: $lines"; fi
    if TMPDIR=$dir examples/try -- bash -euxc "$lines" >"$work/try.lines" 2>&1; then
        pass "try: all of its commands succeed"
    else
        fail "try: a command that it shows fails: $(tail -5 "$work/try.lines")"
    fi
    nothing_left 'what it shows'
}

nothing_left() {
    if [[ -z $(ls -A "$dir") ]]; then pass "try: nothing is left after $1"; else fail "try: left after $1: $(ls -A "$dir")"; fi
}
