pip install openapi-generator-cli==7.26.0
openapi-generator-cli generate -g rust -i partner-center-devices.yaml -o partner-center \
  --openapi-normalizer SECURITY_SCHEMES_FILTER=key:bearer \
  --additional-properties=packageName=partner_center,supportMultipleResponses=true,disallowAdditionalPropertiesIfNotPresent=false
