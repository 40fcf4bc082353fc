/** A keyed stream with its sinks for a load of numbered records. */
import type postgres from "postgres";
import { createSink, createStream, type SinkView } from "./api.ts";
import { checkHistory, type History, type Numbered, type Verdict } from "./history.ts";
import { LOAD_FIELDS, type Load } from "./load.ts";
import type { Receiver } from "./receiver.ts";
import { type Target, waitFor } from "./server.ts";
import { connect, countRows, createLoadTable, readLoadRows } from "./table.ts";

/** What a rig is made of. */
export interface RigOptions {
  readonly target: Target;
  /** Id of the stream and name of the table. */
  readonly id?: string;
  /** Database of the table, as the test and the server reach it. */
  readonly databaseUrl: string;
  /** The sink's own address; the embedded database when left out and `isEmbedded`. */
  readonly isEmbedded?: boolean;
  /** As the sink reaches it, where that is another way (through a proxy). */
  readonly sinkDatabaseUrl?: string;
  readonly throughput?: "NORMAL" | "HIGH" | "MAX";
  /** More of the Postgres sink's configuration. */
  readonly postgres?: Record<string, unknown>;
  /** Gets the same records when given. */
  readonly receiver?: Receiver;
  /** Waits of the sinks between attempts; short ones when left out, those of the product when empty. */
  readonly schedule?: readonly string[] | undefined;
}

/** So that a run is short. */
const SHORT_WAITS = ["0.5s", "1s"];

/** The stream, its sinks and the table. */
export interface Rig {
  readonly stream: string;
  readonly table: string;
  readonly sql: postgres.Sql;
  readonly postgresSink: SinkView;
  readonly webhookSink: SinkView | undefined;
  rows(): Promise<Numbered[]>;
  /** Waits until the table has as many rows as were acknowledged and no more come; judges them. */
  settle(load: Load | History, timeoutMs?: number): Promise<Verdict>;
  close(): Promise<void>;
}

/** Makes stream, table and sinks. */
export async function openRig(options: RigOptions): Promise<Rig> {
  const { target, id = "load", receiver } = options;
  const sql = connect(options.databaseUrl);
  await createLoadTable(sql, id);
  const stream = await createStream(target, id, {
    fields: LOAD_FIELDS,
    keyFields: ["key"],
    throughput: options.throughput ?? "HIGH",
  });
  const { sinkDatabaseUrl = options.databaseUrl } = options;
  const databaseUrl = options.isEmbedded === false ? sinkDatabaseUrl : "";
  const postgresSink = await createSink(target, stream, {
    id: "table",
    postgres: { table: id, databaseUrl, ...options.postgres },
    retry: { schedule: options.schedule ?? SHORT_WAITS },
  });
  const webhookSink =
    receiver && (await createLoadWebhook(target, stream, { receiver, schedule: options.schedule }));
  return {
    stream,
    table: id,
    sql,
    postgresSink,
    webhookSink,
    rows: () => readLoadRows(sql, id),
    settle: (load, timeoutMs = 30_000) =>
      settleRows({ history: "history" in load ? load.history : load, sql, table: id, timeoutMs }),
    close: () => sql.end({ timeout: 2 }),
  };
}

/** Makes a webhook sink for the receiver, which checks its signatures from then on. */
export async function createLoadWebhook(
  target: Target,
  stream: string,
  { receiver, schedule = SHORT_WAITS }: Pick<RigOptions, "schedule"> & { receiver: Receiver },
): Promise<SinkView> {
  const sink = await createSink(target, stream, {
    id: "hook",
    webhook: { url: receiver.url },
    retry: { schedule, timeout: "5s" },
  });
  receiver.secret = sink.webhook?.signingSecret;
  return sink;
}

/** As `Rig.settle`, by an address: that of the embedded database may change with a start. */
export async function settleTable(
  databaseUrl: string,
  history: History,
  { table = "load", timeoutMs = 30_000 }: { table?: string; timeoutMs?: number } = {},
): Promise<Verdict> {
  const sql = connect(databaseUrl);
  try {
    return await settleRows({ history, sql, table, timeoutMs });
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** Records of a load as a webhook got them, in the order of acceptance. */
export function acceptedRows(receiver: Receiver): Numbered[] {
  return receiver.accepted().map((row) => ({ key: String(row.key), n: Number(row.n) }));
}

async function settleRows(options: {
  history: History;
  sql: postgres.Sql;
  table: string;
  timeoutMs: number;
}): Promise<Verdict> {
  const { history, sql, table, timeoutMs } = options;
  let stored = -1;
  let unchanged = 0;
  await waitFor(
    async () => {
      const count = await countRows(sql, table).catch(() => -1);
      unchanged = count === stored ? unchanged + 1 : 0;
      stored = count;
      // What has an unknown fate may still come, so a count that suffices must also stand still.
      return count >= history.count("ok") && unchanged >= 3;
    },
    {
      timeoutMs,
      everyMs: 100,
      what: () => `${history.count("ok")} acknowledged rows in ${table}: there are ${stored}`,
    },
  ).catch(() => undefined);
  return checkHistory(history, await readLoadRows(sql, table));
}
