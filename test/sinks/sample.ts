import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { Logger } from "../../src/core/logger.ts";
import type { SinkEnvironment, SinkRequest, SinkRow } from "../../src/sinks/sink.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A schema from its JSON-like form. */
export function schemaOf(fields: MessageInitShape<typeof SchemaSchema>["fields"] & object) {
  return create(SchemaSchema, { fields });
}

/** An environment for tests; loopback is allowed unless `changes` says otherwise. */
export function environment(
  changes: Partial<SinkEnvironment> & Pick<SinkEnvironment, "schema">,
): SinkEnvironment {
  return {
    logger: silent,
    sinkUid: "sinkuid0000000000001",
    sinkName: "projects/p/streams/s/sinks/k",
    logName: "projects/p/streams/s/branches/main",
    logUid: "loguid00000000000001",
    embeddedDatabaseUrl: undefined,
    isLoopbackAllowed: true,
    egressAllowList: [],
    fileSinkDir: "/nonexistent",
    ...changes,
  };
}

/** Rows of one message at `sequence` from JSON texts (or values). */
export function rowsOf(records: readonly unknown[], sequence = 1): SinkRow[] {
  return records.map((record, index) => ({
    place: { sequence, index },
    recordId: `01890000-0000-7000-8000-${String(sequence).padStart(6, "0")}${String(index).padStart(6, "0")}`,
    json: Buffer.from(typeof record === "string" ? record : JSON.stringify(record)),
    arrivalTimeUs: 1_700_000_000_123_456 + index,
    producerId: "",
    schemaVersion: 1,
  }));
}

/** A request of `rows` with defaults. */
export function requestOf(
  rows: readonly SinkRow[],
  changes: Partial<SinkRequest> = {},
): SinkRequest {
  const id = changes.id ?? `r-${rows[0]?.place.sequence ?? 0}`;
  return {
    id,
    partition: 0,
    generation: 1,
    epoch: 1,
    rows,
    isReplay: false,
    cursor: Buffer.from(`cursor of ${id}`),
    ...changes,
  };
}

/** A signal for one attempt. */
export function attempt(timeoutMs = 10_000): AbortSignal {
  return AbortSignal.timeout(timeoutMs);
}
