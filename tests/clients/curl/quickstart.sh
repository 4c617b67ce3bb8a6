service=${PARTNER_CENTER_URL:-http://127.0.0.1:8080}
customer=47021739-3426-40bf-9601-61b4b6d7c793
upload=0127ed8e-ff72-4983-a3d8-e8d8bd378932
get() { curl -sS --compressed -H "Authorization: Bearer ${PARTNER_CENTER_TOKEN:-any}" -H 'Accept: application/json' "$service/v1/customers/$customer/$1"; }

get "batchJobStatus/$upload" | jq -r '.status, (.devicesStatus[]? | [.serialNumber, .errorCode, .errorDescription] | join(" "))'
get deviceBatches | jq -r '.items[]?.id'
