#!/usr/bin/env bash
# Conformance client of curl alone: the protocol with nothing between. No cache, no retry.
set -uo pipefail

# field NAME JSON: a field of text. The driver's requests have no escapes, and neither has a token.
field() { [[ $2 =~ \"$1\"\ ?:\ ?\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"; }

# quoted TEXT: as JSON has it.
quoted() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"} text=${text//$'\n'/\\n} text=${text//$'\r'/\\r} text=${text//$'\t'/\\t}
    printf '"%s"' "$text"
}

# ask REQUEST: one answer, for one request.
ask() {
    local scope id selector=() url proof version answer status body
    scope=$(field scope "$1")
    for id in client_id object_id resource_id; do
        if field "$id" "$1" >/dev/null; then
            selector=(--data-urlencode "${id/resource_id/mi_res_id}=$(field "$id" "$1")")
        fi
    done
    if [[ -n ${IDENTITY_ENDPOINT-} ]]; then
        url=$IDENTITY_ENDPOINT version=2019-08-01 proof="X-IDENTITY-HEADER: ${IDENTITY_HEADER-}"
    else
        url=${AZURE_POD_IDENTITY_AUTHORITY_HOST-}/metadata/identity/oauth2/token
        version=2018-02-01 proof="Metadata: true" selector=("${selector[@]/mi_res_id/msi_res_id}")
    fi
    # The proof comes on standard input: arguments are seen by every process.
    if ! answer=$(curl --silent --show-error --include --header @- --get "$url" --data "api-version=$version" \
        --data-urlencode "resource=${scope%/.default}" "${selector[@]}" <<<"$proof" 2>&1); then
        printf '{"error":%s}' "$(quoted "$answer")"
        return
    fi
    status=${answer%%$'\r'*} body=${answer#*$'\r\n\r\n'}
    if [[ $status == *" 200"* ]]; then
        printf '{"token":"%s","expires_on":%s}' "$(field access_token "$body")" "$(field expires_on "$body")"
    else
        printf '{"error":%s}' "$(quoted "$status $body")"
    fi
}

# crowd COUNT REQUEST: many at once, each into a file of its own.
crowd() {
    local files i separator=
    files=$(mktemp -d)
    for ((i = 0; i < $1; i++)); do ask "$2" >"$files/$i" & done
    wait
    printf '{"results":['
    for ((i = 0; i < $1; i++)); do printf '%s%s' "$separator" "$(<"$files/$i")" && separator=,; done
    printf ']}'
    rm -r "$files"
}

read -r name version _ < <(curl --version)
echo "{\"sdk\":\"$name $version\"}"
while read -r request; do
    if [[ $(field credential "$request") != managed-identity ]]; then
        printf '{"unsupported":"curl has no DefaultAzureCredential"}'
    elif [[ $(field op "$request") == crowd ]]; then
        [[ $request =~ \"count\"\ ?:\ ?([0-9]+) ]] && crowd "${BASH_REMATCH[1]}" "$request"
    else
        ask "$request"
    fi
    echo
done
