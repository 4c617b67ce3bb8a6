pip install openapi-generator-cli==7.26.0
openapi-generator-cli generate -g powershell -i partner-center-devices.yaml -o client \
  --openapi-normalizer SECURITY_SCHEMES_FILTER=key:bearer \
  --additional-properties=packageName=PartnerCenter,disallowAdditionalPropertiesIfNotPresent=false
