#!/bin/sh
# Reads a secret from Azure Key Vault with curl alone: for scripts, and to see that there is no magic.
#
# IDENTITY_ENDPOINT and IDENTITY_HEADER are what Azure App Service gives an app; on Kubernetes they lead to the cambist
# sidecar, which answers with a token of the pod's identity.
set -eu

: "${IDENTITY_ENDPOINT:?}" "${IDENTITY_HEADER:?}" "${KEY_VAULT_URL:?such as https://NAME.vault.azure.net}"
name=${SECRET_NAME:-greeting}

# get URL [curl's option ...]: prints the answer's body. A header comes on standard input (`-H @-`): among the
# arguments, every process of the machine could read it.
get() {
    answer=$(curl --silent --show-error --max-time 60 --header @- --write-out '\n%{http_code}' --get "$@")
    status=${answer##*
} body=${answer%
*}
    if [ "$status" != 200 ]; then
        message=$(printf '%s' "$body" | text message)
        echo "$1 answered $status: ${message:-$body}" >&2
        return 1
    fi
    printf '%s' "$body"
}

# text FIELD: the value of a field of text in the JSON on standard input. jq does it better, where there is jq.
text() { sed -nE 's/.*"'"$1"'" ?: ?"(([^"\\]|\\.)*)".*/\1/p'; }

token=$(printf 'X-IDENTITY-HEADER: %s\n' "$IDENTITY_HEADER" |
    get "$IDENTITY_ENDPOINT" --data api-version=2019-08-01 --data-urlencode resource=https://vault.azure.net |
    text access_token)
[ -n "$token" ] || exit 1

secret=$(printf 'Authorization: Bearer %s\n' "$token" |
    get "${KEY_VAULT_URL%/}/secrets/$name" --data api-version=7.4)
id=$(printf '%s' "$secret" | text id)
echo "read secret $name, version ${id##*/}"
