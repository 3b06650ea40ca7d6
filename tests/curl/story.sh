#!/usr/bin/env bash
# The whole story with curl alone: sign, upload, open, download a private file through a link that dies, delete.
#
# COUNTERSIGN_BIN names the binary. Prints one line a check and closes with "N passed, M failed".

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly PHOTO=$HERE/../files/photo.jpg
readonly START_DEADLINE_SECONDS=20

PASSED=0
FAILED=0

main() {
    start_server
    printf '# a public photo\n'
    public_upload
    printf '# a private photo\n'
    private_upload
    private_download
    printf '# deleting both\n'
    deletion
    printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
    [[ $FAILED -eq 0 ]]
}

# ---- The story -------------------------------------------------------------------------------------------------------

public_upload() {
    local permit answer
    permit=$(ask GET /upload-signature)
    check "the signature route succeeds" success "$(jq -r .status <<< "$permit")"
    check "it lives thirty minutes" "30 mins" "$(jq -r .data.expiresIn <<< "$permit")"
    answer=$(upload "$permit")
    PUBLIC_URL=$(jq -r .secure_url <<< "$answer")
    check "the upload is a jpg" jpg "$(jq -r .format <<< "$answer")"
    check "in the profile's folder" kyc/1/ "$(jq -r '.public_id[:6]' <<< "$answer")"
    check "the photo opens under its address" 200 "$(fetch "$PUBLIC_URL")"
    check "with the same bytes" same "$(compare)"
}

private_upload() {
    local permit answer
    permit=$(ask GET '/upload-signature?should_secure_asset=true')
    check "the server fixes the delivery type" private "$(jq -r .data.payload.type <<< "$permit")"
    answer=$(upload "$permit")
    PRIVATE_URL=$(jq -r .secure_url <<< "$answer")
    PRIVATE_ID=$(jq -r .public_id <<< "$answer")
    check "the upload is private" private "$(jq -r .type <<< "$answer")"
    check "a version without type is refused" 401 "$(upload_status "$(jq 'del(.data.payload.type)' <<< "$permit")")"
    check "the plain address is refused" 401 "$(fetch "$(without_signature "$PRIVATE_URL")")"
}

private_download() {
    local answer link
    answer=$(ask GET "/download-url?format=jpg&public_id=$(jq -rn --arg id "$PRIVATE_ID" '$id | @uri')")
    link=$(jq -r .data.downloadUrl <<< "$answer")
    check "the link lives a minute" "1 min" "$(jq -r .data.expiresIn <<< "$answer")"
    check "the link opens" 200 "$(fetch "$link")"
    check "with the same bytes" same "$(compare)"
    check "a link for somebody else's file is refused" 401 "$(fetch "${link/public_id=/public_id=x}")"
    advance_clock 61
    check "the link is dead after a minute" 4xx "$(fetch "$link" | sed 's/^4../4xx/')"
    advance_clock -61
}

deletion() {
    local body answer
    body=$(jq -n --arg a "$PUBLIC_URL" --arg b "$PRIVATE_URL" '{urls: [{type: "image", url: $a}, {type: "image", url: $b}]}')
    answer=$(ask DELETE /delete-files "$body")
    check "both are deleted" "deleted deleted" "$(jq -r '[.data.results[].outcome] | join(" ")' <<< "$answer")"
    check "the public photo is gone" 404 "$(fetch "$PUBLIC_URL")"
    check "the emulator is empty" 0 "$(curl --silent --fail "$EMULATOR/_emulator/assets" | jq '.assets | length')"
    answer=$(ask DELETE /delete-files "$body")
    check "the second time there is nothing" "not_found not_found" "$(jq -r '[.data.results[].outcome] | join(" ")' <<< "$answer")"
    answer=$(ask DELETE /delete-files '{"urls": "all"}')
    check "a body that is no list is refused" failed "$(jq -r .status <<< "$answer")"
}

# ---- What it is told with --------------------------------------------------------------------------------------------

# check NAME EXPECTED FOUND
check() {
    if [[ $2 == "$3" ]]; then
        PASSED=$((PASSED + 1))
        printf 'ok      %s\n' "$1"
    else
        FAILED=$((FAILED + 1))
        printf 'FAILED  %s: expected %s, found %s\n' "$1" "$2" "$3"
    fi
}

# ask METHOD PATH [BODY]: prints the signing server's answer, whatever its status.
ask() {
    local body=()
    [[ $# -lt 3 ]] || body=(--header 'Content-Type: application/json' --data "$3")
    curl --silent --show-error --request "$1" "${body[@]}" "$SERVER$2"
}

# Sends the photo with exactly what was signed; prints the provider's answer.
upload() {
    local form=()
    read_form "$1"
    curl --silent --show-error "${form[@]}" --form "file=@$PHOTO" "$(jq -r .data.uploadUrl <<< "$1")"
}

upload_status() {
    local form=()
    read_form "$1"
    curl --silent --output /dev/null --write-out '%{http_code}' "${form[@]}" --form "file=@$PHOTO" "$(jq -r .data.uploadUrl <<< "$1")"
}

# Fills `form` with curl's arguments for a permit: its payload, the key and the signature.
read_form() {
    local field
    while IFS= read -r field; do
        form+=(--form-string "$field")
    done < <(jq -r '.data | .payload + {api_key: .apiKey, signature} | to_entries[] | "\(.key)=\(.value)"' <<< "$1")
}

# Prints the status of a GET, and keeps the body for `compare`.
fetch() {
    curl --silent --output "$SCRATCH/body" --write-out '%{http_code}' "$1"
}

compare() {
    if cmp --silent "$SCRATCH/body" "$PHOTO"; then echo same; else echo different; fi
}

# A delivery URL as somebody would write it who knows the public id and no secret.
without_signature() {
    sed -E 's#/s--[A-Za-z0-9_-]+--/#/#' <<< "$1"
}

# Moves the provider's clock, not the server's.
advance_clock() {
    curl --silent --show-error --fail --output /dev/null --header 'Content-Type: application/json' \
        --data "{\"advance_seconds\": $1}" "$EMULATOR/_emulator/clock"
}

# ---- The server ------------------------------------------------------------------------------------------------------

# Starts server and emulator in an empty environment and folder, on free ports, and waits for their addresses.
start_server() {
    local binary=${COUNTERSIGN_BIN:?must name the binary to test: start the tests with tests/run}
    SCRATCH=$(mktemp --directory)
    (cd "$SCRATCH" && exec env --ignore-environment TMPDIR="$SCRATCH" "$binary" serve --emulator --port 0 --emulator-port 0) 2> "$SCRATCH/log" &
    SERVER_PID=$!
    trap stop_server EXIT
    local deadline=$((SECONDS + START_DEADLINE_SECONDS))
    until SERVER=$(address 'countersign listens on (http:[^ ]+)'); do
        if ! kill -0 "$SERVER_PID" 2> /dev/null || [[ $SECONDS -ge $deadline ]]; then
            cat "$SCRATCH/log" >&2
            echo "the server did not start" >&2
            exit 1
        fi
        sleep 0.05
    done
    EMULATOR=$(address 'url="?(http:[^" ]+)')
}

# address PATTERN: prints what the log says; fails while it does not say it yet.
address() {
    [[ $(< "$SCRATCH/log") =~ $1 ]] && echo "${BASH_REMATCH[1]}"
}

stop_server() {
    kill "$SERVER_PID" 2> /dev/null || true
    wait "$SERVER_PID" 2> /dev/null || true
    rm -rf "$SCRATCH"
}

main
