import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { countsOf, createSink, createStream } from "../support/api.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { checkHistory, faultsOf, type Numbered } from "../support/history.ts";
import { LOAD_FIELDS, type Load, startLoad } from "../support/load.ts";
import { makeDataDir, removeData, startServer, waitFor } from "../support/server.ts";

const KILLS = 3;

interface Manifest {
  readonly objects: { name: string; rows: number; bytes: number; sha256: string }[];
}

test("kill -9 while commits are put into a bucket: the objects that manifests name hold each acknowledged record once, and none was ever put with other bytes", async () => {
  const buckets = createBuckets(["lake"]);
  const bucket = buckets.bucket("lake");
  const changed: string[] = [];
  const seen = new Map<string, string>();
  const double = await startAwsDouble({}, (request, response, body) => {
    if (request.method === "PUT") {
      const name = request.url ?? "";
      const digest = createHash("sha256").update(body).digest("hex");
      if (name.includes("g1-") && (seen.get(name) ?? digest) !== digest) changed.push(name);
      seen.set(name, digest);
    }
    return buckets.fallback(request, response, body);
  });
  const dataDir = makeDataDir();
  const port = await findFreePort();
  let server = await startServer({ dataDir, port });
  let load: Load | undefined;
  try {
    const stream = await createStream(server, "lake", {
      fields: LOAD_FIELDS,
      keyFields: ["key"],
      throughput: "HIGH",
    });
    const access = { region: "eu-central-1", accessKeyId: "AKIATEST", secretAccessKey: "secret" };
    const sink = await createSink(server, stream, {
      id: "lake",
      s3: {
        bucket: "lake",
        keyTemplate: "in/writer={writer}/",
        format: "PARQUET",
        access: { ...access, endpoint: double.url },
      },
      batching: { time: "0.3s", count: 500 },
      retry: { schedule: ["0.5s"] },
    });
    load = startLoad({ target: server, stream, recordsPerCall: 10 });
    for (let kill = 0; kill < KILLS; kill++) {
      await waitFor(moreAcked(load, 1_000), { timeoutMs: 60_000, what: "the load to run" });
      await sleep(200 + Math.random() * 1_000);
      await server.stop("SIGKILL");
      server = await startServer({ dataDir, port });
    }
    await waitFor(moreAcked(load, 500), { timeoutMs: 60_000, what: "the load to run at the end" });
    await load.stop();
    await waitFor(
      async () => {
        const { pushed = 0, delivered } = await countsOf(server, sink.name);
        return pushed > 0 && delivered === pushed;
      },
      { timeoutMs: 60_000, everyMs: 250, what: "all to be delivered" },
    );
    const names = [...bucket.objects.keys()];
    const manifests = names.filter((name) => name.startsWith("in/_manifests/"));
    const rows: Numbered[] = [];
    const named = new Set<string>();
    for (const name of manifests) {
      const { objects } = JSON.parse(`${bucket.objects.get(name)}`) as Manifest;
      for (const object of objects) {
        expect(named.has(object.name)).toBe(false);
        named.add(object.name);
        const bytes = bucket.objects.get(object.name)!;
        expect(createHash("sha256").update(bytes).digest("hex")).toBe(object.sha256);
        const file = new Uint8Array(bytes).buffer;
        const found = await parquetReadObjects({ file });
        expect(found).toHaveLength(object.rows);
        rows.push(...found.map(({ key, n }) => ({ key: String(key), n: Number(n) })));
      }
    }
    const verdict = checkHistory(load.history, rows);
    expect(load.surprises).toEqual([]);
    expect(faultsOf(verdict)).toEqual({});
    expect(changed).toEqual([]);
    report("s3 under kill -9", { kills: KILLS, acked: verdict.acked, commits: manifests.length });
  } finally {
    await load?.stop(0);
    await server.close();
    await removeData(dataDir);
    await double.close();
  }
}, 400_000);
