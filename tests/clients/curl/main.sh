# One line for each case, as the other clients print.
set -euo pipefail
body=$(mktemp); trap 'rm -f "$body"' EXIT
get() { # path, token, then what to show of a 200
    local authorization=(-H "Authorization: Bearer $2") sent http retry_after
    [ "$2" != - ] || authorization=()
    sent=$(curl -sS --compressed "${authorization[@]}" -H 'Accept: application/json' -o "$body" \
        -w '%{http_code} %header{retry-after}' "$1") || { jq -cn '{ crash: "curl failed" }'; return; }
    read -r http retry_after <<<"$sent"
    if [ "$http" = 200 ]; then
        jq -c "{ http: 200 } + $3" "$body" || jq -cn '{ crash: "jq failed" }'
    else
        jq -c --argjson http "$http" --arg retry "$retry_after" \
            '{ http: $http, retryAfter: $retry, code, description, statusCode, message }' "$body" 2>/dev/null | grep . ||
            jq -cn --argjson http "$http" '{ http: $http }'
    fi
}
upload='{ batchTrackingId, status, startedTime, completedTime,
    devices: [.devicesStatus[]? | { serialNumber, productKey, status, errorCode, errorDescription }] }'
batches='{ totalCount, items: [.items[]? | { id, status, creationDate, devicesCount, link: .devicesLink.uri }] }'
while read -r name customer id token; do
    jq -cn --arg case "$name" \
        --argjson upload "$(get "$1/v1/customers/$customer/batchJobStatus/$id" "$token" "$upload")" \
        --argjson batches "$(get "$1/v1/customers/$customer/deviceBatches" "$token" "$batches")" \
        '{ $case, $upload, $batches }'
done
