/** How fast sinks take a backlog, and how soon a row is there after its push. */
import type postgres from "postgres";
import { countsOf, createSink, createStream } from "../test/support/api.ts";
import { waitFor } from "../test/support/server.ts";
import { countRows } from "../test/support/table.ts";
import { CALL, pushBacklog, startTaker } from "./backlog.ts";
import { connectDirect, measureCopy } from "./limits/bare-copy.ts";
import { watch } from "./load/run-load.ts";
import { FIELDS } from "./records.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";
import { measureVisibility } from "./visibility.ts";

/** Records of the backlog for each second that a measurement is given. */
const RECORDS_PER_SECOND = 50_000;

/** Runs each measurement in turn, several times. */
export async function benchDelivery(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const sql = connectDirect(rig.server.env.SINK_DATABASE_URL ?? "");
  const receiver = startTaker("receiver.ts");
  const aws = startTaker("aws.ts");
  const want = (name: string) => new RegExp(options.only).test(name);
  const { seconds } = options;
  const count = Math.ceil((seconds * RECORDS_PER_SECOND) / CALL) * CALL;
  try {
    const measurements: Measurement[] = [];
    const webhook = { webhook: { url: `http://127.0.0.1:${await receiver.port}/` } };
    const { sqs, s3 } = awsSinks(`http://127.0.0.1:${await aws.port}`);
    for (let run = 0; run < options.runs; run++) {
      const works = [
        () => drain(rig, { name: "Postgres sink", id: `rows-${run}`, count, sql }),
        () =>
          drain(rig, {
            name: "Postgres sink, 4 partitions",
            id: `rows4-${run}`,
            count,
            sql,
            throughput: "HIGH",
          }),
        () => bareCopy(sql, count, 1_000),
        // The batch size of the sink.
        () => bareCopy(sql, count, 5_000),
        () =>
          drain(rig, {
            name: "webhook sink, batches of 100",
            id: `hook-${run}`,
            count,
            sink: webhook,
          }),
        () =>
          drain(rig, {
            name: "webhook sink, batches of 100, 4 partitions",
            id: `hook4-${run}`,
            count,
            sink: webhook,
            throughput: "HIGH",
          }),
        () => drain(rig, { name: "SQS sink (double)", id: `sqs-${run}`, count, sink: sqs }),
        () => drain(rig, { name: "S3 sink, gzip (double)", id: `s3-${run}`, count, sink: s3 }),
        () => measureVisibility(rig, { sql, id: `seen-${run}`, seconds, rate: 1_000 }),
        () => measureVisibility(rig, { sql, id: `seen5-${run}`, seconds, rate: 5_000 }),
      ] satisfies (() => Promise<Measurement>)[];
      for (const [i, work] of works.entries())
        if (want(WORK_NAMES[i]!)) measurements.push(await work());
    }
    return { title: "Delivery", notes: describeRun(rig, measurements, count), measurements };
  } finally {
    receiver.close();
    aws.close();
    await sql.end({ timeout: 2 });
    await rig.close();
  }
}

const WORK_NAMES = [
  "postgres",
  "postgres partitions",
  "copy 1000",
  "copy 5000",
  "webhook",
  "webhook partitions",
  "sqs",
  "s3",
  "latency 1000",
  "latency 5000",
];

interface Drain {
  readonly name: string;
  readonly id: string;
  readonly count: number;
  readonly throughput?: "NORMAL" | "HIGH";
  /** The table's database; else `sink` says where records go. */
  readonly sql?: postgres.Sql;
  readonly sink?: object;
}

/** Sinks of the double. */
function awsSinks(endpoint: string) {
  const access = {
    region: "eu-central-1",
    accessKeyId: "AKIATEST",
    secretAccessKey: "x",
    endpoint,
  };
  return {
    sqs: { sqs: { queueUrl: `${endpoint}/123456789012/bench`, access } },
    s3: {
      s3: { bucket: "bench", access, compression: "GZIP" },
      // What is left at the end of the backlog waits for this.
      batching: { time: "1s" },
    },
  };
}

/** Pushes a backlog, makes a sink from its start, and waits until it has all of it. */
async function drain(rig: Rig, work: Drain): Promise<Measurement> {
  const { server } = rig;
  const stream = await createStream(server, work.id, {
    fields: FIELDS,
    keyFields: ["sensor_id"],
    throughput: work.throughput ?? "NORMAL",
  });
  await pushBacklog(rig, stream, work.count);
  const table = work.id.replaceAll("-", "_");
  const watching = watch(rig.processes);
  const startedAt = performance.now();
  const sink = await createSink(server, stream, {
    id: "sink",
    start: { position: "EARLIEST" },
    ...(work.sql ? { postgres: { table } } : work.sink),
  });
  const isDone = async () => {
    if (work.sql) return (await countRows(work.sql, table)) >= work.count;
    return ((await countsOf(server, sink.name)).delivered ?? 0) >= work.count;
  };
  await waitFor(isDone, {
    timeoutMs: 180_000,
    what: `${work.name} to take the backlog`,
    everyMs: 100,
  });
  const recordsPerSecond = work.count / ((performance.now() - startedAt) / 1000);
  return { name: work.name, recordsPerSecond, ...watching.end() };
}

async function bareCopy(sql: postgres.Sql, rows: number, batch: number): Promise<Measurement> {
  const recordsPerSecond = await measureCopy(sql, { rows, batch });
  return { name: `limit: bare COPY in batches of ${batch}`, recordsPerSecond };
}

function describeRun(rig: Rig, measurements: readonly Measurement[], count: number): string[] {
  const peaks = Object.fromEntries(
    Object.keys(rig.idle).map((name) => [
      name,
      Math.max(...measurements.map((each) => each.peakBytes?.[name] ?? 0)),
    ]),
  );
  return [
    ...describeMachine(),
    `backlogs of ${count.toLocaleString("en-US")} records, pushed in calls of ${CALL}; the time includes making the sink`,
    `memory at rest: ${formatMemory(rig.idle)}`,
    `memory under load, highest: ${formatMemory(peaks)}`,
  ];
}
