pip install openapi-generator-cli==7.26.0
openapi-generator-cli generate -g go -i partner-center-devices.yaml -o partnercenter --git-user-id example --git-repo-id partnercenter \
  --openapi-normalizer SECURITY_SCHEMES_FILTER=key:bearer \
  --additional-properties=packageName=partnercenter,disallowAdditionalPropertiesIfNotPresent=false
go mod init example
go mod edit -replace github.com/example/partnercenter=./partnercenter
go mod tidy
