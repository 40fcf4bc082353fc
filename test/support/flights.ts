/** The flights of vega-datasets, through a keyed stream into a table and a webhook. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { PushService } from "tributary/client";
import { createSink, createStream } from "./api.ts";
import { clientOf, jsonPayload } from "./clients.ts";
import type { Receiver } from "./receiver.ts";
import { type TestServer, waitFor } from "./server.ts";
import { countRows } from "./table.ts";

const run = promisify(execFile);

/** A flight of flights-200k.json: minutes of delay, miles, hour of the day. */
export interface Flight {
  delay: number;
  distance: number;
  time: number;
}

/** All 231,083 flights, or the first `count` of them. */
export async function readFlights(count?: number): Promise<Flight[]> {
  const file = join(import.meta.dirname, "../../node_modules/vega-datasets/data/flights-200k.json");
  return (JSON.parse(await readFile(file, "utf8")) as Flight[]).slice(0, count);
}

/** What a table or a webhook got, in a form that two of them can be compared by. */
export interface Digest {
  count: number;
  delaySum: number;
  timeSum: string;
  /** By distance (the key): SHA-256 of its flights in order. */
  hashes: Record<string, string>;
}

/** Digests flights in the order given. */
export function digestFlights(flights: Iterable<Flight>): Digest {
  const hashes = new Map<number, ReturnType<typeof createHash>>();
  let count = 0;
  let delaySum = 0;
  let timeSum = 0;
  for (const { delay, distance, time } of flights) {
    count += 1;
    delaySum += delay;
    timeSum += time;
    const hash = hashes.get(distance) ?? createHash("sha256");
    hashes.set(distance, hash.update(`${delay},${time};`));
  }
  return {
    count,
    delaySum,
    // The order over keys is free, so the last digits of a sum of doubles are too.
    timeSum: timeSum.toFixed(3),
    hashes: Object.fromEntries([...hashes].map(([key, hash]) => [key, hash.digest("hex")])),
  };
}

/** A stream of flights with a table `id` and a webhook. */
export async function openFlights(
  server: TestServer,
  id: string,
  receiver: Receiver,
): Promise<{ stream: string; sql: postgres.Sql }> {
  const sql = postgres(server.env.SINK_DATABASE_URL ?? "", { max: 1, onnotice: () => undefined });
  await sql`CREATE TABLE ${sql(id)} (
    delay bigint NOT NULL, distance bigint NOT NULL, time double precision NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY)`;
  const stream = await createStream(server, id.replaceAll("_", "-"), {
    fields: { delay: "LONG", distance: "LONG", time: "DOUBLE" },
    keyFields: ["distance"],
    throughput: "HIGH",
  });
  await createSink(server, stream, { id: "table", postgres: { table: id } });
  const hook = await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
  receiver.secret = hook.webhook?.signingSecret;
  return { stream, sql };
}

/** Pushes with the generated client over gRPC, 1,000 records a call. */
export async function pushByClient(
  server: TestServer,
  stream: string,
  flights: readonly Flight[],
): Promise<void> {
  const client = clientOf(PushService, server, "gRPC over h2c");
  for (let at = 0; at < flights.length; at += 1_000) {
    const records = flights.slice(at, at + 1_000).map(jsonPayload);
    const answer = await client.push({ stream, records, idempotencyKey: `flights-${at}` });
    if (Number(answer.accepted) !== records.length) throw new Error(`accepted ${answer.accepted}`);
  }
}

/** Pushes with curl as NDJSON, 90,000 lines a call. */
export async function pushByCurl(
  server: TestServer,
  stream: string,
  flights: readonly Flight[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-curl-"));
  try {
    for (let at = 0; at < flights.length; at += 90_000) {
      const file = join(folder, `${at}.ndjson`);
      const lines = flights
        .slice(at, at + 90_000)
        .map((flight) => `{"value":${JSON.stringify(flight)}}\n`);
      await writeFile(file, lines.join(""));
      const { stdout } = await run("curl", [
        "-sS",
        `${server.url}/v1/${stream}/records`,
        "-H",
        `Authorization: Bearer ${await server.token()}`,
        "-H",
        "Content-Type: application/x-ndjson",
        "--data-binary",
        `@${file}`,
      ]);
      const { accepted } = JSON.parse(stdout) as { accepted?: string };
      if (Number(accepted) !== lines.length) throw new Error(`curl: ${stdout}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Waits for the table to hold `count` rows and digests it in the order of insertion. */
export async function digestTable(
  sql: postgres.Sql,
  table: string,
  { count, timeoutMs }: { count: number; timeoutMs: number },
): Promise<Digest> {
  await waitFor(async () => (await countRows(sql, table)) >= count, {
    timeoutMs,
    everyMs: 100,
    what: `${count} rows in ${table}`,
  });
  const rows = await sql<{ delay: string; distance: string; time: number }[]>`
    SELECT delay, distance, time FROM ${sql(table)} ORDER BY seq`;
  return digestFlights(
    rows.map((r) => ({ delay: Number(r.delay), distance: Number(r.distance), time: r.time })),
  );
}

/** Waits for the webhook to have accepted `count` records and digests them. */
export async function digestReceiver(
  receiver: Receiver,
  { count, timeoutMs }: { count: number; timeoutMs: number },
): Promise<Digest> {
  const got = () => receiver.requests.reduce((sum, r) => sum + r.records.length, 0);
  await waitFor(() => got() >= count, {
    timeoutMs,
    everyMs: 100,
    what: () => `${count} records at the webhook: ${got()} came`,
  });
  return digestFlights(receiver.accepted() as unknown as Flight[]);
}
