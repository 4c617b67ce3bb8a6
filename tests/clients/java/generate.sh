pip install openapi-generator-cli==7.26.0
openapi-generator-cli generate -g java -i partner-center-devices.yaml -o client \
  --openapi-normalizer SECURITY_SCHEMES_FILTER=key:bearer \
  --additional-properties=library=native,invokerPackage=partnercenter,apiPackage=partnercenter.api,modelPackage=partnercenter.model,openApiNullable=false,disallowAdditionalPropertiesIfNotPresent=false
