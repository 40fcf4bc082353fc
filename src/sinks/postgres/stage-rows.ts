/** The side of a staged table export that takes rows: they become CSV at once, whatever the table is like. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type PostgresSink, TableStaging_Store } from "#gen/tributary/management/v1/sink_pb.js";
import type { OpenSink, SinkEnvironment, SinkRequest } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import type { StagedRows } from "../staging.ts";
import { type Column, columnsOf, settleKey } from "./columns.ts";
import { createRowEncoder } from "./encode.ts";
import { CSV_LINES } from "./line-format.ts";

const SLICE_ROWS = 1000;

const STORES = {
  [TableStaging_Store.STORE_UNSPECIFIED]: undefined,
  [TableStaging_Store.JETSTREAM]: "log",
  [TableStaging_Store.BUCKET]: "bucket",
} as const;

/** Opens the staging of a sink. Fails with STAGING_MISSING where rows cannot be staged. */
export function openStaged(saved: PostgresSink, env: SinkEnvironment): OpenSink {
  const { staging } = env;
  if (!staging) throw new SinkFault("STAGING_MISSING", "this server cannot stage rows");
  const columns = columnsOf(settleKey(saved, env.schema), env.schema);
  const store = STORES[saved.staging?.store ?? TableStaging_Store.STORE_UNSPECIFIED];
  return {
    resume: (partition, epoch) => staging.claim(partition, epoch),
    async write(request) {
      if (newestSchema(request) > (env.schemaVersion ?? Number.POSITIVE_INFINITY)) {
        return {
          kind: "retry",
          scope: "sink",
          reason: "SCHEMA_CHANGED",
          why: "the schema of the stream has just changed",
          afterMs: 1_000,
          burnsAttempt: false,
        };
      }
      const rows = await encode(columns, request);
      return await staging.append(request, { ...rows, store });
    },
    close: () => Promise.resolve(),
  };
}

function newestSchema({ rows }: SinkRequest): number {
  return rows.reduce((newest, row) => Math.max(newest, row.schemaVersion), 0);
}

/** Yields in between, so that pushes in the same process do not wait. */
async function encode(columns: readonly Column[], { rows }: SinkRequest): Promise<StagedRows> {
  const lines: { index: number; csv: string }[] = [];
  const bad: { index: number; reason: string; why: string }[] = [];
  const encodeRow = createRowEncoder(columns, CSV_LINES);
  for (const [index, row] of rows.entries()) {
    if (index % SLICE_ROWS === SLICE_ROWS - 1) await nextTurn();
    const { line, fault } = encodeRow(row);
    if (fault === undefined) lines.push({ index, csv: line });
    else bad.push({ index, reason: "VALUE_REFUSED", why: fault });
  }
  return { columns, lines, bad };
}
