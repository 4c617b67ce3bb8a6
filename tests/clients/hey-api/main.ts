import { createClient } from "./partner-center/client/index.js";
import { getBatchUploadStatus, getDeviceBatches } from "./partner-center/sdk.gen.js";
import { batches, failure, run, upload, type Case } from "./shared.js";

const client = (base: string, { token }: Case) =>
  createClient({ baseUrl: base, auth: token ? () => token : undefined, parseAs: "json" });

await run({
  upload: async (base, one) => {
    const { data, error, response } = await getBatchUploadStatus({
      client: client(base, one), path: { "customer-id": one.customer, "batchtracking-id": one.upload },
    });
    if (!response) throw error;
    return data ? upload(response.status, data) : failure(response.status, error, response.headers.get("Retry-After"));
  },
  batches: async (base, one) => {
    const { data, error, response } = await getDeviceBatches({
      client: client(base, one), path: { "customer-id": one.customer },
    });
    if (!response) throw error;
    return data ? batches(response.status, data) : failure(response.status, error, response.headers.get("Retry-After"));
  },
});
