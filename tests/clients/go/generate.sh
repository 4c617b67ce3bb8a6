pip install openapi-generator-cli==7.26.0
openapi-generator-cli generate -g go -i partner-center-devices.yaml -o partnercenter --git-user-id example --git-repo-id partnercenter --additional-properties=packageName=partnercenter,disallowAdditionalPropertiesIfNotPresent=false
