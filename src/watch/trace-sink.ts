/** What became of one record at one sink. */
import { create, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import type { Attempt } from "#gen/tributary/management/v1/attempt_pb.js";
import { Attempt_State as State } from "#gen/tributary/management/v1/attempt_pb.js";
import { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import {
  SinkTrace_Outcome as Outcome,
  type SinkTrace,
  SinkTraceSchema,
} from "#gen/tributary/management/v1/trace_pb.js";
import type { SinkDefinition, SinkVersion, StreamDefinition } from "../core/definitions.ts";
import { MappingFault } from "../mapping/mapping.ts";
import { compileTransform } from "../mapping/row-transform.ts";
import { attemptFromRow, listAttemptsOf } from "./attempt-store.ts";
import type { LedgerParts } from "./ledger-methods.ts";
import type { ParkedKeysOf } from "./parked-methods.ts";
import type { Status } from "./sink-conditions.ts";
import type { Place, StoredRecord } from "./stored-records.ts";

/** Where a record stands, as delivery knows it. */
export interface Standing {
  readonly kind: "before" | "pending" | "sending" | "staged" | "parked" | "held" | "passed";
  readonly reason: string;
  readonly why: string;
  readonly version: number;
}

/** What delivery tells. */
export interface TraceParts extends LedgerParts {
  readonly parkedKeys: ParkedKeysOf;
  readonly standing: (
    sink: SinkDefinition,
    record: {
      readonly place: Place;
      readonly partition?: number | undefined;
      readonly keyHash?: number | undefined;
    },
  ) => Promise<Standing>;
}

interface Question {
  readonly sink: SinkDefinition;
  readonly stream: StreamDefinition;
  readonly place: Place;
  readonly record: StoredRecord | undefined;
}

const ATTEMPTS_MAX = 100;
const MAP_MS = 5_000;

/** Fails with LOG_UNAVAILABLE and DATABASE_UNAVAILABLE. */
export async function traceSink(parts: TraceParts, question: Question): Promise<SinkTrace> {
  const { sink, place, record } = question;
  const { partition, keyHash } = record ?? {};
  const standing = await parts.standing(sink, { place, partition, keyHash });
  const version = versionOf(sink, standing.version, place);
  const made = await judge(parts, question, version);
  const attempts = await attemptsOf(parts, question);
  const settled = await explain(parts, { ...question, standing, version, made, attempts });
  return create(SinkTraceSchema, {
    sink: sink.name,
    sinkVersion: BigInt(version.version),
    row: made.row,
    mappingError: made.error,
    attempts,
    ...settled,
  });
}

function versionOf({ versions }: SinkDefinition, known: number, place: Place): SinkVersion {
  const named = versions.find(({ version }) => version === known);
  const at = versions.findLast(({ fromSequence }) => fromSequence <= place.sequence);
  return named ?? at ?? versions[0]!;
}

interface Judged {
  /** Undefined when there is no record to ask, or the version does not compile any more. */
  readonly isPassing: boolean | undefined;
  readonly row: string;
  readonly error: string;
}

async function judge(
  { templates }: TraceParts,
  { record, stream }: Question,
  version: SinkVersion,
): Promise<Judged> {
  const none = { isPassing: undefined, row: "", error: "" };
  if (!record) return none;
  const transform = compileTransform(version.sink, stream.schema, templates);
  if (Array.isArray(transform)) {
    const [fault] = transform;
    return { ...none, error: `${fault?.field} ${fault?.description}` };
  }
  const isPassing = transform.passes(record);
  if (!isPassing || !transform.map) {
    return { isPassing, row: isPassing ? Buffer.from(record.json).toString() : "", error: "" };
  }
  const [row] = await transform.map([record], AbortSignal.timeout(MAP_MS));
  if (row instanceof MappingFault) return { isPassing, row: "", error: row.text };
  return { isPassing, row: Buffer.from(row!).toString(), error: "" };
}

async function attemptsOf(
  { database }: TraceParts,
  { sink, place, record }: Question,
): Promise<Attempt[]> {
  const where = {
    sequence: place.sequence,
    partition: record?.partition ?? -1,
    limit: ATTEMPTS_MAX,
  };
  const rows = await database.inProject(sink.name, (queries) =>
    listAttemptsOf(queries, sink.uid, where),
  );
  return rows
    .map((row) => ({ ...attemptFromRow(sink.name, row), exchanges: [] }))
    .filter(({ ranges, flush }) => flush || ranges.length === 0 || ranges.some(holds(place)));
}

function holds({ sequence, index }: Place): (range: string) => boolean {
  return (range) => {
    const [a = 0, b = 0, c = 0, d = 0] = range.split(/[-/]/).map(Number);
    const isAfter = sequence > a || (sequence === a && index >= b);
    return isAfter && (sequence < c || (sequence === c && index <= d));
  };
}

type Settled = Pick<MessageInitShape<typeof SinkTraceSchema>, "outcome" | "explanation" | "reason">;
type Facts = Question & {
  readonly standing: Standing;
  readonly version: SinkVersion;
  readonly made: Judged;
  readonly attempts: readonly Attempt[];
};

const WAITING = {
  pending: Outcome.PENDING,
  sending: Outcome.SENDING,
  staged: Outcome.STAGED,
} as const;

async function explain(parts: TraceParts, facts: Facts): Promise<Settled> {
  const { standing, sink, attempts } = facts;
  switch (standing.kind) {
    case "before":
      return {
        outcome: Outcome.BEFORE_START,
        explanation: `the sink starts at sequence ${sink.startSequence}, after this record`,
      };
    case "held":
      return { outcome: Outcome.HELD, explanation: standing.why, reason: standing.reason };
    case "parked":
      return {
        outcome: Outcome.PARKED,
        explanation: "an earlier record of its key is held: replay or discard that one",
        reason: "KEY_BLOCKED",
      };
    case "passed":
      return explainPassed(facts);
    default: {
      if (!facts.record) {
        const explanation = "retention has taken it from the log, and the sink has not passed it";
        return { outcome: Outcome.EXPIRED, explanation, reason: "EXPIRED" };
      }
      const status = (await parts.statuses([sink])).get(sink.uid);
      const failed = attempts.findLast(({ state }) => state === State.RETRYING);
      const why = waitOf(status) || failed?.message || "it waits for its turn";
      const reason = status?.reason || failed?.reason || "";
      return { outcome: WAITING[standing.kind], explanation: why, reason };
    }
  }
}

function waitOf(status: Status | undefined): string {
  if (status?.state === Sink_State.PAUSED) return "the sink is paused";
  return status?.cause ?? "";
}

/** The cursor has passed it: what became of it follows from attempts, filter and mapping. */
function explainPassed({ made, version, attempts, record, place }: Facts): Settled {
  const name = `${place.sequence}-${place.index}`;
  const taken = attempts.findLast(({ state }) => state === State.DELIVERED);
  const refused = attempts.findLast(({ state }) => state === State.HELD);
  if (made.isPassing === false && !taken?.replay) {
    const rule = version.sink.filter ? toJsonString(FilterSchema, version.sink.filter) : "";
    const explanation = `the filter of version ${version.version} leaves it out: ${rule}`;
    return { outcome: Outcome.FILTERED, explanation, reason: "FILTERED" };
  }
  if (made.error !== "" && !taken) {
    const explanation = `it could not be mapped, was held, and was replayed or discarded since: ${made.error}`;
    return { outcome: Outcome.RELEASED, explanation, reason: "MAPPING_FAILED" };
  }
  if (refused && refused.recordCount === 1 && !taken?.replay) {
    const explanation = `it was refused, held, and replayed or discarded since: ${refused.message}`;
    return { outcome: Outcome.RELEASED, explanation, reason: refused.reason };
  }
  if (taken) {
    const explanation = `the destination took it with ${taken.flush ? "a flush" : `request ${taken.requestId}`}`;
    return { outcome: Outcome.DELIVERED, explanation };
  }
  if (!record) {
    const explanation = `the cursor of the sink is beyond ${name}, and neither log nor attempts remember the record`;
    return { outcome: Outcome.OUTCOME_UNSPECIFIED, explanation };
  }
  const explanation = "the cursor of the sink is beyond it: the destination has taken it";
  return { outcome: Outcome.DELIVERED, explanation };
}
