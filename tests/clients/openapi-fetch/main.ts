import createClient from "openapi-fetch";
import type { paths } from "./schema.js";
import { batches, failure, run, upload, type Case } from "./shared.js";

const client = (base: string, { token }: Case) =>
  createClient<paths>({ baseUrl: base, headers: token ? { Authorization: `Bearer ${token}` } : {} });

await run({
  upload: async (base, one) => {
    const { data, error, response } = await client(base, one).GET(
      "/v1/customers/{customer-id}/batchJobStatus/{batchtracking-id}",
      { params: { path: { "customer-id": one.customer, "batchtracking-id": one.upload } } },
    );
    return data ? upload(response.status, data) : failure(response.status, error, response.headers.get("Retry-After"));
  },
  batches: async (base, one) => {
    const { data, error, response } = await client(base, one).GET("/v1/customers/{customer-id}/deviceBatches", {
      params: { path: { "customer-id": one.customer } },
    });
    return data ? batches(response.status, data) : failure(response.status, error, response.headers.get("Retry-After"));
  },
});
