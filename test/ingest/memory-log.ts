/** A log in memory, and definitions of one stream, for the tests of the way in. */
import { create } from "@bufbuild/protobuf";
import {
  type Field,
  Field_Type,
  FieldSchema,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import type { Definitions, StreamDefinition } from "../../src/core/definitions.ts";
import { fail } from "../../src/core/errors.ts";
import type { LogAppended, LogCall, LogReader, LogWriter } from "../../src/core/log.ts";
import {
  decodeRecordBatch,
  encodeRecordBatch,
  type RecordCall,
} from "../../src/core/record-batch.ts";

type Init = Partial<Omit<Field, "$typeName" | "$unknown">>;

/** A field of a schema. */
export function field(name: string, type: Field_Type, more: Init = {}): Field {
  return create(FieldSchema, { name, type, ...more });
}

export const SENSOR_FIELDS = [
  field("sensor_id", Field_Type.STRING),
  field("temperature", Field_Type.DOUBLE),
  field("created_at", Field_Type.TIMESTAMP),
];

/** A definition of `projects/demo/streams/sensors`. */
export function streamOf(
  more: Partial<StreamDefinition> & { fields?: Field[] } = {},
): StreamDefinition {
  const { fields = SENSOR_FIELDS, ...rest } = more;
  return {
    uid: "streamuid",
    name: "projects/demo/streams/sensors",
    projectUid: "project",
    schema: create(SchemaSchema, { fields }),
    schemaVersion: 1,
    keyFields: [],
    partitions: 1,
    generation: 1,
    retentionAgeMs: 1e9,
    retentionBytes: 1e9,
    createTimeMs: 0,
    logs: new Map([["main", { uid: "k3v9q2x7m1p8s4t6w0za", branch: "main", shard: 0 }]]),
    history: [],
    ...rest,
  };
}

/** Definitions that hold streams alone; `replace` swaps one and tells listeners. */
export function memoryDefinitions(...streams: StreamDefinition[]) {
  const byName = new Map(streams.map((s) => [s.name, s]));
  const listeners = new Set<() => void>();
  const definitions: Definitions = {
    project: () => undefined,
    stream: (name) => byName.get(name),
    streamByLog: () => undefined,
    token: () => undefined,
    streams: () => byName.values(),
    sink: () => undefined,
    sinkByUid: () => undefined,
    sinks: () => [],
    sinksOfLog: () => [],
    sourceByPublicId: () => undefined,
    sourceByUid: () => undefined,
    applicationByClientId: () => undefined,
    person: () => undefined,
    grantsOf: () => [],
    freshAtMs: () => Date.now(),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const replace = (stream: StreamDefinition) => {
    byName.set(stream.name, stream);
    for (const listener of [...listeners]) listener();
  };
  return { definitions, replace };
}

/** A log that keeps each part as one message, and repeats its answers by idempotency id. */
export function memoryLog(options: { sealed?: () => number } = {}) {
  const messages: { partition: number; call: RecordCall; data: Uint8Array }[] = [];
  const calls: LogCall[] = [];
  const answers = new Map<string, { bodyHash: string; appended: LogAppended }>();
  const writer: LogWriter = {
    async append(call) {
      calls.push(call);
      await Promise.resolve();
      if (call.generation < (options.sealed?.() ?? 0)) {
        throw fail("GENERATION_SEALED", "the stream has a newer generation");
      }
      const known = call.idempotency && answers.get(call.idempotency.id);
      if (known) {
        if (known.bodyHash !== call.idempotency?.bodyHash) {
          throw fail("IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another body");
        }
        return { ...known.appended, isDuplicate: true };
      }
      const places = call.parts.map((part) => {
        const data = encodeRecordBatch([part.block]);
        const [decoded] = decodeRecordBatch(data).calls;
        messages.push({ partition: part.partition, call: decoded!, data });
        return { sequence: messages.length, index: 0 };
      });
      const appended = { places, isDuplicate: false };
      if (call.idempotency) {
        answers.set(call.idempotency.id, { bodyHash: call.idempotency.bodyHash, appended });
      }
      return appended;
    },
  };
  const reader: LogReader = {
    read: async (_, { fromSequence }) => [
      {
        sequence: fromSequence,
        logUid: "",
        generation: 1,
        partition: 0,
        timeMs: 0,
        data: messages[fromSequence - 1]!.data,
      },
    ],
    info: () => Promise.reject(new Error("not used")),
    sequenceAt: () => Promise.reject(new Error("not used")),
  };
  /** Stored records as text, in the order of storing. */
  const records = (partition?: number) =>
    messages
      .filter((m) => partition === undefined || m.partition === partition)
      .flatMap((m) => m.call.records.map((r) => Buffer.from(r).toString()));
  return { writer, reader, messages, calls, records };
}
