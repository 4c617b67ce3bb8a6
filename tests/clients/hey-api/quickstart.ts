import { client } from "./partner-center/client.gen.js";
import { getBatchUploadStatus, getDeviceBatches } from "./partner-center/sdk.gen.js";

client.setConfig({
  baseUrl: process.env.PARTNER_CENTER_URL ?? "http://127.0.0.1:8080",
  auth: () => process.env.PARTNER_CENTER_TOKEN ?? "any",
  parseAs: "json", // responses without Content-Type are JSON, too
});
const customer = "47021739-3426-40bf-9601-61b4b6d7c793";
const upload = "0127ed8e-ff72-4983-a3d8-e8d8bd378932";

const { data, error, response } = await getBatchUploadStatus({
  path: { "customer-id": customer, "batchtracking-id": upload },
});
console.log(response?.status, error ?? data?.status);
for (const device of data?.devicesStatus ?? []) {
  console.log(device.serialNumber, device.errorCode, device.errorDescription);
}

const batches = await getDeviceBatches({ path: { "customer-id": customer } });
console.log(batches.data?.items?.map((batch) => batch.id));
