/** How long after its push a record is a row that others see. */
import { setTimeout as sleep } from "node:timers/promises";
import type postgres from "postgres";
import { createSink, createStream } from "../test/support/api.ts";
import { watch } from "./load/run-load.ts";
import type { Measurement } from "./report.ts";
import type { Rig } from "./rig.ts";

/** Calls begin at this distance, each with the records that are due. */
const TICK_MS = 10;
/** The table is looked at this often, which adds half of it to what is measured. */
const LOOK_MS = 2;

/** Pushes at a rate, in records a second, in calls that begin every 10 ms, and polls the table. */
export async function measureVisibility(
  rig: Rig,
  work: {
    readonly sql: postgres.Sql;
    readonly id: string;
    readonly seconds: number;
    readonly rate: number;
  },
): Promise<Measurement> {
  const { server } = rig;
  const { sql, id, seconds, rate } = work;
  const table = id.replaceAll("-", "_");
  const stream = await createStream(server, id, { fields: { n: "LONG" } });
  await createSink(server, stream, { id: "sink", postgres: { table } });
  await sql`CREATE INDEX ON ${sql(table)} (n)`;
  const sentAt: number[] = [];
  const latencies: number[] = [];
  const total = rate * (seconds + 1);
  const watching = watch(rig.processes);
  const pushing = pushAtRate(rig, { stream, sentAt, total, rate });
  for (let seen = 0; seen < total; ) {
    const [row] = await sql<{ n: string | null }[]>`
      SELECT max(n) AS n FROM ${sql(table)} WHERE n >= ${seen}`;
    const now = performance.now();
    const next = row?.n == null ? seen : Number(row.n) + 1;
    // The first second is the warm-up.
    for (; seen < next; seen++) if (seen >= rate) latencies.push(now - sentAt[seen]!);
    await sleep(LOOK_MS);
  }
  await pushing;
  latencies.sort((a, b) => a - b);
  return {
    name: `push to visible row, ${rate} records/s`,
    recordsPerSecond: rate,
    p50: latencies[latencies.length >> 1]!,
    p99: latencies[Math.floor(latencies.length * 0.99)]!,
    ...watching.end(),
  };
}

async function pushAtRate(
  { server }: Rig,
  {
    stream,
    sentAt,
    total,
    rate,
  }: { stream: string; sentAt: number[]; total: number; rate: number },
): Promise<void> {
  const count = (rate * TICK_MS) / 1000;
  const startedAt = performance.now();
  const calls: Promise<void>[] = [];
  for (let first = 0; first < total; first += count) {
    const dueIn = startedAt + (first / rate) * 1000 - performance.now();
    if (dueIn > 0) await sleep(dueIn);
    const records = Array.from({ length: count }, (_, i) => ({ value: { n: first + i } }));
    for (let i = 0; i < count; i++) sentAt[first + i] = performance.now();
    calls.push(
      server.post(`/v1/${stream}/records`, records).then(async (answer) => {
        if (!answer.ok) throw new Error(await answer.text());
        await answer.arrayBuffer();
      }),
    );
  }
  await Promise.all(calls);
}
