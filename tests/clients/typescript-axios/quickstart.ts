import { isAxiosError } from "axios";
import { Configuration, DevicesApi } from "./partner-center/index.js";

const devices = new DevicesApi(new Configuration({
  basePath: process.env.PARTNER_CENTER_URL ?? "http://127.0.0.1:8080",
  accessToken: process.env.PARTNER_CENTER_TOKEN ?? "any",
}));
const customer = "47021739-3426-40bf-9601-61b4b6d7c793";

try {
  const upload = await devices.getBatchUploadStatus(customer, "0127ed8e-ff72-4983-a3d8-e8d8bd378932");
  console.log(upload.data.status);
  for (const device of upload.data.devicesStatus ?? []) {
    console.log(device.serialNumber, device.errorCode, device.errorDescription);
  }
  const batches = await devices.getDeviceBatches(customer);
  console.log(batches.data.items?.map((batch) => batch.id));
} catch (error) {
  if (!isAxiosError(error) || !error.response) throw error;
  console.log(error.response.status, error.response.data);
}
