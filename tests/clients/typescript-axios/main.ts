import { isAxiosError } from "axios";
import { Configuration, DevicesApi } from "./partner-center/index.js";
import { batches, failure, run, upload, type Case } from "./shared.js";

const api = (base: string, { token }: Case) => new DevicesApi(new Configuration({ basePath: base, accessToken: token }));

function failed(error: unknown) {
  if (!isAxiosError(error) || !error.response) throw error;
  return failure(error.response.status, error.response.data, error.response.headers["retry-after"]);
}

await run({
  upload: (base, one) => api(base, one).getBatchUploadStatus(one.customer, one.upload)
    .then(({ status, data }) => upload(status, data), failed),
  batches: (base, one) => api(base, one).getDeviceBatches(one.customer)
    .then(({ status, data }) => batches(status, data), failed),
});
