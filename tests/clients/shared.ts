// What the TypeScript clients share: which cases to call, and how what was read becomes one line.
import { createInterface } from "node:readline";

export interface Case { name: string; customer: string; upload: string; token?: string }

export interface Upload {
  batchTrackingId?: string | null; status?: string | null; startedTime?: string | null; completedTime?: string | null;
  devicesStatus?: Array<{ serialNumber?: string | null; productKey?: string | null; status?: string | null;
    errorCode?: string | null; errorDescription?: string | null }> | null;
}
export interface Batches {
  totalCount?: number | null;
  items?: Array<{ id?: string | null; status?: string | null; creationDate?: string | null; devicesCount?: number | null;
    devicesLink?: { uri?: string | null } | null }> | null;
}

export const upload = (http: number, data: Upload) => ({
  http, batchTrackingId: data.batchTrackingId, status: data.status, startedTime: data.startedTime,
  completedTime: data.completedTime,
  devices: data.devicesStatus?.map(({ serialNumber, productKey, status, errorCode, errorDescription }) =>
    ({ serialNumber, productKey, status, errorCode, errorDescription })),
});
export const batches = (http: number, data: Batches) => ({
  http, totalCount: data.totalCount,
  items: data.items?.map(({ id, status, creationDate, devicesCount, devicesLink }) =>
    ({ id, status, creationDate, devicesCount, link: devicesLink?.uri })),
});
/** The fault is what the client has made of the body: an object, or a text, or nothing. */
export const failure = (http: number, fault: unknown, retryAfter?: string | null) => {
  const members = (typeof fault === "object" && fault !== null ? fault : {}) as Record<string, unknown>;
  const { code, description, statusCode, message } = members;
  return { http, code, description, statusCode, message, retryAfter };
};

export async function run(calls: {
  upload: (base: string, one: Case) => Promise<object>;
  batches: (base: string, one: Case) => Promise<object>;
}) {
  const base = process.argv[2]!;
  const attempt = (call: Promise<object>) => call.catch((error: unknown) => ({ crash: String(error) }));
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, customer, upload, token] = line.split(" ") as [string, string, string, string];
    const one = { name, customer, upload, token: token === "-" ? undefined : token };
    console.log(JSON.stringify({
      case: name, upload: await attempt(calls.upload(base, one)), batches: await attempt(calls.batches(base, one)),
    }));
  }
}
