pip install openapi-generator-cli==7.26.0
openapi-generator-cli generate -g php -i partner-center-devices.yaml -o partner-center --additional-properties=invokerPackage=PartnerCenter,disallowAdditionalPropertiesIfNotPresent=false
