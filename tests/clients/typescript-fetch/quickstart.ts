import { Configuration, DevicesApi, ResponseError } from "./partner-center/index.js";

const devices = new DevicesApi(new Configuration({
  basePath: process.env.PARTNER_CENTER_URL ?? "http://127.0.0.1:8080",
  accessToken: async () => process.env.PARTNER_CENTER_TOKEN ?? "any",
}));
const customerId = "47021739-3426-40bf-9601-61b4b6d7c793";
const batchtrackingId = "0127ed8e-ff72-4983-a3d8-e8d8bd378932";

try {
  const upload = await devices.getBatchUploadStatus({ customerId, batchtrackingId });
  console.log(upload.status);
  for (const device of upload.devicesStatus ?? []) {
    console.log(device.serialNumber, device.errorCode, device.errorDescription);
  }
  const batches = await devices.getDeviceBatches({ customerId });
  console.log(batches.items?.map((batch) => batch.id));
} catch (error) {
  if (!(error instanceof ResponseError)) throw error;
  console.log(error.response.status, await error.response.text());
}
