echo '{ "type": "module" }' > package.json
npm install axios@1.21.1 typescript@5.9.3 @types/node@20.19.43
pip install openapi-generator-cli==7.26.0
echo '{ "compilerOptions": { "target": "es2022", "module": "nodenext", "strict": true, "skipLibCheck": true } }' > tsconfig.json
openapi-generator-cli generate -g typescript-axios -i partner-center-devices.yaml -o partner-center \
  --openapi-normalizer SECURITY_SCHEMES_FILTER=key:bearer \
  --additional-properties=importFileExtension=.js,disallowAdditionalPropertiesIfNotPresent=false
npx tsc
