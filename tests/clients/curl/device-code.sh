authority=${PARTNER_CENTER_AUTHORITY:-https://login.microsoftonline.com}/$PARTNER_CENTER_TENANT_ID/oauth2/v2.0
code=$(curl -sS "$authority/devicecode" -d "client_id=$PARTNER_CENTER_CLIENT_ID" \
  --data-urlencode 'scope=https://api.partnercenter.microsoft.com/.default offline_access')
jq -r '"open \(.verification_uri) and enter \(.user_code)"' <<<"$code" >&2
while sleep "$(jq .interval <<<"$code")"; do
  token=$(curl -sS "$authority/token" -d "client_id=$PARTNER_CENTER_CLIENT_ID" \
    -d grant_type=urn:ietf:params:oauth:grant-type:device_code -d "device_code=$(jq -r .device_code <<<"$code")")
  [[ $(jq -r .error <<<"$token") =~ ^(authorization_pending|slow_down)$ ]] || break
done
jq -r '.access_token // .error_description' <<<"$token"
