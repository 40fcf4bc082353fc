/** Buckets that take objects in one piece. */
import { createHash } from "node:crypto";
import type { Fallback } from "./double.ts";

/** A bucket. */
export interface TestBucket {
  /** Objects by name. */
  readonly objects: Map<string, Buffer>;
  /** Puts so far, repeats included. */
  puts: number;
  /** Set to fail puts: gives status and code. */
  refuse: (name: string) => { readonly status: number; readonly code: string } | undefined;
}

/** Buckets by name, and what answers for them in `startAwsDouble`. */
export function createBuckets(names: readonly string[]) {
  const buckets = new Map<string, TestBucket>(
    names.map((name) => [name, { objects: new Map(), puts: 0, refuse: () => undefined }]),
  );
  const fallback: Fallback = (request, response, body) => {
    const [path] = (request.url ?? "").split("?");
    const [, bucketName = "", ...rest] = decodeURIComponent(path ?? "").split("/");
    const bucket = buckets.get(bucketName);
    const fail = (status: number, code: string) => {
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(
        request.method === "HEAD"
          ? undefined
          : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>refused: ${code}</Message></Error>`,
      );
      return true;
    };
    if (!bucket) return fail(404, "NoSuchBucket");
    if (request.method === "HEAD") return Boolean(response.writeHead(200).end());
    const name = rest.join("/");
    if (request.method === "GET") {
      const object = bucket.objects.get(name);
      if (!object) return fail(404, "NoSuchKey");
      response.writeHead(200, { "content-length": object.length }).end(object);
      return true;
    }
    if (request.method === "DELETE") {
      bucket.objects.delete(name);
      return Boolean(response.writeHead(204).end());
    }
    if (request.method !== "PUT") return false;
    const refusal = bucket.refuse(name);
    if (refusal) return fail(refusal.status, refusal.code);
    const md5 = createHash("md5").update(body).digest("base64");
    if (request.headers["content-md5"] !== md5) return fail(400, "BadDigest");
    bucket.puts += 1;
    bucket.objects.set(name, body);
    response.writeHead(200, { etag: `"${md5}"` }).end();
    return true;
  };
  return { bucket: (name: string) => buckets.get(name)!, fallback };
}
