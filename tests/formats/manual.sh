# shellcheck shell=bash
# Manual pages and completions of both programs, by the programs that read them. Sourced by `run`, whose `valid`,
# `pass`, `fail` and `skip` it uses.

# Debian's packages of those that are not there, unless somebody else than root asks.
install_readers() {
    local missing=() package
    for package in groff mandoc zsh fish elvish; do
        command -v "$package" >/dev/null || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    [[ $(id -u) == 0 && -f /etc/debian_version ]] || return 0
    {
        export DEBIAN_FRONTEND=noninteractive
        apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"
    } >"$work/readers.log" 2>&1 </dev/null || true
}

# reader PROGRAM WHAT: whether it is there.
reader() {
    command -v "$1" >/dev/null && return
    skip "$1: $2"
    return 1
}

manual() {
    local share=$work/share pages
    rm -rf "$share"
    "$target/debug/manual" "$share"
    install_readers
    mapfile -t pages < <(find "$share/man" -name '*.1' | sort)
    if ((${#pages[@]} >= 26)); then pass "manual: ${#pages[@]} pages"; else fail "manual: ${#pages[@]} pages"; fi
    if reader groff 'manual pages are not formatted'; then
        valid "manual: groff warns of nothing" no_warning groff -man -ww -z "${pages[@]}"
    fi
    if reader mandoc 'manual pages are not linted'; then
        valid "manual: mandoc finds no error" mandoc -Tlint -Werror "${pages[@]}"
    fi
    if cambist man issuer check | cmp -s - "$share/man/man1/cambist-issuer-check.1"; then
        pass 'manual: cambist man prints the same page'
    else
        fail 'manual: cambist man prints another page'
    fi
    completions
}

# What warns does not always fail.
no_warning() {
    local said
    said=$("$@" 2>&1) || return
    [[ -z $said ]] || { echo "$said" >&2 && return 1; }
}

# Every shell that is there completes a subcommand, the values of an option, and a flag that a former one looks like.
completions() {
    offers bash 'cambist issuer needs' needs-rotation
    offers bash 'cambist doctor -o j' json junit
    offers bash 'cambist-sidecar --history-' --history-trust
    offers bash 'cambist-sidecar --ledger'
    if reader zsh 'its completions are not tried'; then
        offers zsh 'cambist issuer needs' needs-rotation
        offers zsh 'cambist-sidecar --history-t' --history-trust
    fi
    if reader fish 'its completions are not tried'; then
        offers fish 'cambist issuer needs' needs-rotation
        offers fish 'cambist doctor -o j' json junit
        offers fish 'cambist-sidecar --history-' --history-trust
        offers fish 'cambist-sidecar --ledger'
    fi
    if reader elvish 'its completions are not tried'; then
        offers elvish 'cambist token ' get inspect
        offers elvish 'cambist-sidecar config ' init
    fi
    if reader pwsh 'its completions are not tried'; then
        offers pwsh 'cambist issuer needs' needs-rotation
        offers pwsh 'cambist-sidecar --history-' --history-trust
    fi
}

# offers SHELL LINE WORD...: whether the shell, at the end of this line, offers these words and nothing else, but
# for the help.
offers() {
    local shell=$1 line=$2 program got
    shift 2
    program=${line%% *}
    got=$("complete_$shell" "$program" "$line" 2>"$work/completion.err" |
        grep -vxE -e '-h|-V|--help|--version|help' | sort | paste -sd' ' || true)
    if [[ $got == "$*" && ! -s $work/completion.err ]]; then
        pass "$shell: \"$line\" offers: $*"
    else
        fail "$shell: \"$line\" offers \"$got\", not \"$*\": $(<"$work/completion.err")"
    fi
}

complete_bash() {
    bash --norc -euc '
        source "$1/bash-completion/completions/$2"
        read -ra COMP_WORDS <<<"$3"
        [[ $3 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
        function=$(complete -p "$2" | sed -E "s/.* -F ([^ ]+).*/\1/")
        "$function" "$2" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' bash "$share" "$1" "$2"
}

# zsh completes at a prompt alone, so it has one, where the key that completes writes down what the line has become.
complete_zsh() {
    local got=$work/zsh.line
    rm -f "$got"
    TERM=dumb timeout 60 zsh -fc '
        zmodload zsh/zpty
        zpty -b shell zsh -fi
        zpty -w shell "fpath=($1/zsh/site-functions \$fpath); autoload -Uz compinit && compinit -u -D"
        zpty -w shell "complete-and-tell() { zle expand-or-complete; print -r -- \$BUFFER >$3 }"
        zpty -w shell "zle -N complete-and-tell; bindkey \"^I\" complete-and-tell; print r\"\"eady"
        zpty -r shell seen "*ready*"
        zpty -n -w shell "$2"$'"'\t'"'
        zpty -n -w shell $'"'\C-u'"'"print d\"\"one"$'"'\n'"'
        zpty -r shell seen "*done*"
        zpty -d shell' zsh "$share" "$2" "$got"
    sed -E 's/[= ]*$//; s/.* //' "$got"
}

complete_fish() {
    fish --no-config -c 'source $argv[1]/fish/vendor_completions.d/$argv[2].fish; complete -C $argv[3]' \
        "$share" "$1" "$2" | cut -f1
}

# elvish completes at a prompt alone, too; what it would call there is called here.
complete_elvish() {
    elvish -norc -c '
        var share program @line = $@args
        var completion: = (ns [&arg-completer=[&]])
        var edit: = (ns [&completion:=$completion: &complex-candidate~={|text &display=""| put $text}])
        var said = (ns [&edit:=$edit: &wcswidth~=$count~ &program=$program &line=$line])
        eval (slurp < $share/elvish/lib/$program.elv)"\n"'"'"'$edit:completion:arg-completer[$program] $@line | each $echo~'"'"' &ns=$said
        ' "$share" "$1" $2 ''
}

complete_pwsh() {
    pwsh -NoProfile -Command "
        . '$share/powershell/$1.ps1'
        (TabExpansion2 -inputScript '$2' -cursorColumn ${#2}).CompletionMatches.CompletionText"
}
