authority=${PARTNER_CENTER_AUTHORITY:-https://login.microsoftonline.com}
printf %s "$PARTNER_CENTER_CLIENT_SECRET" | curl -sS "$authority/$PARTNER_CENTER_TENANT_ID/oauth2/v2.0/token" \
  -d grant_type=client_credentials -d "client_id=$PARTNER_CENTER_CLIENT_ID" --data-urlencode client_secret@- \
  -d scope=https://api.partnercenter.microsoft.com/.default | jq -r '.access_token // .error_description'
