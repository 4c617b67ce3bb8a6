echo '{ "type": "module" }' > package.json
npm install @hey-api/openapi-ts@0.95.0 typescript@5.9.3 @types/node@20.19.43
echo '{ "compilerOptions": { "target": "es2022", "module": "nodenext", "strict": true, "skipLibCheck": true } }' > tsconfig.json
cat > openapi-ts.config.js <<'END'
export default {
  input: "partner-center-devices.yaml",
  output: { path: "partner-center", module: { extension: ".js" } },
  plugins: ["@hey-api/client-fetch"],
};
END
npx openapi-ts
npx tsc
