echo '{ "type": "module" }' > package.json
npm install openapi-fetch@0.17.0 openapi-typescript@7.13.0 typescript@5.9.3 @types/node@20.19.43
echo '{ "compilerOptions": { "target": "es2022", "module": "nodenext", "strict": true, "skipLibCheck": true } }' > tsconfig.json
npx openapi-typescript partner-center-devices.yaml --output schema.d.ts
npx tsc
