import { Configuration, DevicesApi, ResponseError } from "./partner-center/index.js";
import { batches, failure, run, upload, type Case } from "./shared.js";

const api = (base: string, { token }: Case) =>
  new DevicesApi(new Configuration({ basePath: base, accessToken: token ? async () => token : undefined }));

async function failed(error: unknown) {
  if (!(error instanceof ResponseError)) throw error;
  const text = await error.response.text();
  let fault: unknown = text;
  try { fault = JSON.parse(text); } catch { /* a page, or nothing */ }
  return failure(error.response.status, fault, error.response.headers.get("Retry-After"));
}

await run({
  upload: async (base, one) => {
    try {
      const response = await api(base, one).getBatchUploadStatusRaw({ customerId: one.customer, batchtrackingId: one.upload });
      return upload(response.raw.status, await response.value());
    } catch (error) { return failed(error); }
  },
  batches: async (base, one) => {
    try {
      const response = await api(base, one).getDeviceBatchesRaw({ customerId: one.customer });
      return batches(response.raw.status, await response.value());
    } catch (error) { return failed(error); }
  },
});
