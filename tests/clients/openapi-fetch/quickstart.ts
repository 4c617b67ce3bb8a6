import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const partner = createClient<paths>({
  baseUrl: process.env.PARTNER_CENTER_URL ?? "http://127.0.0.1:8080",
  headers: { Authorization: `Bearer ${process.env.PARTNER_CENTER_TOKEN ?? "any"}` },
});
const customer = "47021739-3426-40bf-9601-61b4b6d7c793";
const upload = "0127ed8e-ff72-4983-a3d8-e8d8bd378932";

const { data, error, response } = await partner.GET(
  "/v1/customers/{customer-id}/batchJobStatus/{batchtracking-id}",
  { params: { path: { "customer-id": customer, "batchtracking-id": upload } } },
);
console.log(response.status, error?.description ?? data?.status);
for (const device of data?.devicesStatus ?? []) {
  console.log(device.serialNumber, device.errorCode, device.errorDescription);
}

const batches = await partner.GET("/v1/customers/{customer-id}/deviceBatches", {
  params: { path: { "customer-id": customer } },
});
console.log(batches.data?.items?.map((batch) => batch.id));
