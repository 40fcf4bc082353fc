/**
 * Staging rows: the chunks of a request and the cursor after it are stored as one atomic batch, which
 * expects the cursor before it. So a repeat is noticed, and an owner that was overtaken stores nothing.
 */
import { create } from "@bufbuild/protobuf";
import {
  type StagedChunk,
  StagedChunkSchema,
  StagedColumnSchema,
  type StagingCursor,
  StagingCursorSchema,
  type StagingReject,
  StagingRejectSchema,
} from "#gen/tributary/delivery/v1/staging_pb.js";
import { StaleKeysError } from "../bus/index.ts";
import { SinkFault } from "../sinks/index.ts";
import type { KeptCursor, RequestOutcome, SinkRequest } from "../sinks/sink.ts";
import type { StagedRows, StagingPort } from "../sinks/staging.ts";
import { nameStaging } from "./staging-identity.ts";
import { CHUNK_FORMAT, type StagingStore, type Versioned } from "./staging-store.ts";

/** Bytes of lines in one chunk, unless a single line is longer. */
const CHUNK_BYTES = 384 * 1024;
/** The longest line: what a stored message holds beside its columns and headers. */
const LINE_BYTES_MAX = 960 * 1024;
/** Bytes of one sink that may be staged: then rows wait in the stream. */
const STAGED_BYTES_MAX = 256 * 1024 * 1024;

/** Rows were staged. */
export type StagedListener = (sinkUid: string, added: { rows: number; bytes: number }) => void;

/** What the process knows of one partition. */
interface Lane {
  cursor: Versioned<StagingCursor>;
  /** Whether the fate of the last write is unknown. */
  isInDoubt: boolean;
}

/** The lanes of all sinks of a process: two versions of one sink may be open at once. */
export interface StagingPorts {
  /** The staging of one version of a sink. */
  open(sink: {
    readonly uid: string;
    readonly logUid: string;
    readonly version: number;
  }): StagingPort;
}

/** What ports are made of. */
export interface StagingPortsInput {
  readonly store: StagingStore;
  readonly onStaged: StagedListener;
  /** Bytes of a sink that wait now, as far as this process knows. */
  readonly bytesOf: (sinkUid: string) => number;
}

/** Makes the ports. */
export function createStagingPorts(input: StagingPortsInput): StagingPorts {
  const lanes = new Map<string, Lane>();
  return {
    open: (sink) => ({
      claim: (partition, epoch) => claim(input, lanes, { ...sink, partition, epoch }),
      append: (request, rows) => append(input, lanes, { ...sink, request, rows }),
    }),
  };
}

interface ClaimInput {
  readonly uid: string;
  readonly logUid: string;
  readonly partition: number;
  readonly epoch: number;
}

async function claim(
  { store }: StagingPortsInput,
  lanes: Map<string, Lane>,
  { uid, logUid, partition, epoch }: ClaimInput,
): Promise<KeptCursor | undefined> {
  const found = await store.cursor(uid, partition);
  if (!found) await nameStaging(store, uid);
  const targetEpoch = Number(found?.value.epoch ?? 0n);
  if (targetEpoch > epoch) {
    throw new SinkFault("FENCED", "another node has taken over this sink", { targetEpoch });
  }
  const before = found?.value;
  const isSameLog = before?.logUid === logUid;
  const value = create(StagingCursorSchema, {
    ...(isSameLog ? before : { rows: before?.rows ?? 0n, bytes: before?.bytes ?? 0n }),
    logUid,
    epoch: BigInt(epoch),
  });
  const cursor = { value, sequence: found?.sequence ?? 0 };
  const sequence = await store.append(uid, partition, { cursor, chunks: [] });
  lanes.set(`${uid}/${partition}`, { cursor: { value, sequence }, isInDoubt: false });
  if (!isSameLog || value.cursor.byteLength === 0) return undefined;
  const rejects = value.rejects.map(({ reason, why, ...place }) => ({
    place: { sequence: Number(place.sequence), index: place.index },
    reason,
    why,
  }));
  return { epoch: Number(value.cursorEpoch), cursor: value.cursor, rejects };
}

interface AppendInput {
  readonly uid: string;
  readonly version: number;
  readonly request: SinkRequest;
  readonly rows: StagedRows;
}

async function append(
  input: StagingPortsInput,
  lanes: Map<string, Lane>,
  job: AppendInput,
): Promise<RequestOutcome> {
  const { uid, request } = job;
  const lane = lanes.get(`${uid}/${request.partition}`);
  if (!lane || Number(lane.cursor.value.epoch) !== request.epoch) return { kind: "fenced" };
  if (lane.isInDoubt) return decide(input, lane, job);
  if (isStored(lane.cursor.value, request)) return outcomeOf(job, lane.cursor.value);
  if (input.bytesOf(uid) > STAGED_BYTES_MAX) return FULL;
  const rows = refuseLongLines(job.rows);
  const chunks = chunksOf(job, rows);
  const value = nextCursor(lane.cursor.value, request, { rows, chunks });
  const cursor = { value, sequence: lane.cursor.sequence };
  try {
    const sequence = await input.store.append(uid, request.partition, {
      cursor,
      chunks,
      store: job.rows.store,
    });
    lane.cursor = { value, sequence };
  } catch (error) {
    lane.isInDoubt = true;
    if (error instanceof StaleKeysError) return decide(input, lane, job);
    throw new SinkFault("STAGING_UNAVAILABLE", "rows cannot be staged now", { cause: error });
  }
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.csv.byteLength, 0);
  if (bytes > 0) input.onStaged(uid, { rows: rows.lines.length, bytes });
  return outcomeOf(job, value);
}

const FULL: RequestOutcome = {
  kind: "retry",
  scope: "sink",
  reason: "STAGING_FULL",
  why: "256 MiB of rows wait for their import: no more are staged until some were imported",
  afterMs: 5_000,
  burnsAttempt: false,
};

/** What became of a write whose answer is missing, or that another write came before. */
async function decide(
  input: StagingPortsInput,
  lane: Lane,
  job: AppendInput,
): Promise<RequestOutcome> {
  const { uid, request } = job;
  const found = await input.store.cursor(uid, request.partition);
  if (!found || Number(found.value.epoch) !== request.epoch) return { kind: "fenced" };
  const before = lane.cursor.value;
  const isNews = found.sequence !== lane.cursor.sequence;
  lane.cursor = found;
  lane.isInDoubt = false;
  const [id, known] = request.cursor
    ? [found.value.requestId, before.requestId]
    : [found.value.replayId, before.replayId];
  if (!isNews || id !== request.id || known === request.id) return AGAIN;
  const added = {
    rows: Number(found.value.rows - before.rows),
    bytes: Number(found.value.bytes - before.bytes),
  };
  if (added.rows > 0) input.onStaged(uid, added);
  return outcomeOf(job, found.value);
}

/** Nothing of the request was stored. */
const AGAIN: RequestOutcome = {
  kind: "retry",
  scope: "sink",
  reason: "STAGING_UNAVAILABLE",
  why: "rows could not be staged",
  afterMs: 0,
  burnsAttempt: false,
};

/** Whether a request is the one that is stored: after a restart of the sink an id may come again. */
function isStored(cursor: StagingCursor, request: SinkRequest): boolean {
  if (!request.cursor) return cursor.replayId === request.id;
  return cursor.requestId === request.id && Buffer.compare(cursor.cursor, request.cursor) === 0;
}

function outcomeOf({ request, rows }: AppendInput, cursor: StagingCursor): RequestOutcome {
  const rejects = request.cursor ? cursor.rejects : cursor.replayRejects;
  const byPlace = new Map(rejects.map((row) => [`${row.sequence}-${row.index}`, row]));
  const bad = new Map(rows.bad.map((row) => [row.index, row]));
  const outcomes = request.rows.map(({ place }, index) => {
    const reject = byPlace.get(`${place.sequence}-${place.index}`) ?? bad.get(index);
    if (!reject) return { kind: "delivered" } as const;
    return { kind: "reject", reason: reject.reason, why: reject.why } as const;
  });
  return { kind: "rows", outcomes };
}

/** A line that no message holds is a row that cannot be staged. */
function refuseLongLines(rows: StagedRows): StagedRows {
  const isLong = ({ csv }: { csv: string }) => Buffer.byteLength(csv) > LINE_BYTES_MAX;
  if (!rows.lines.some((line) => line.csv.length * 3 > LINE_BYTES_MAX && isLong(line))) return rows;
  const long = rows.lines.filter(isLong).map(({ index }) => ({
    index,
    reason: "VALUE_REFUSED",
    why: "the row has more than 960 KiB as CSV, the most that can be staged",
  }));
  return {
    ...rows,
    lines: rows.lines.filter((line) => !isLong(line)),
    bad: [...rows.bad, ...long],
  };
}

function chunksOf(
  { version, request }: AppendInput,
  { columns, lines }: StagedRows,
): StagedChunk[] {
  const chunks: StagedChunk[] = [];
  let chunk: StagedChunk | undefined;
  let parts: Buffer[] = [];
  let size = 0;
  const close = () => {
    if (chunk) chunk.csv = Buffer.concat(parts);
    [chunk, parts, size] = [undefined, [], 0];
  };
  for (const { index, csv } of lines) {
    const line = Buffer.from(csv);
    if (size + line.byteLength > CHUNK_BYTES) close();
    if (!chunk) {
      const { partition, isReplay } = request;
      const facts = { format: CHUNK_FORMAT, sinkVersion: BigInt(version), partition, isReplay };
      chunk = create(StagedChunkSchema, facts);
      chunk.columns = columns.map(({ name, sqlType, isNullable, isStored }) =>
        create(StagedColumnSchema, { name, sqlType, isNullable, isStored }),
      );
      chunks.push(chunk);
    }
    const { place } = request.rows[index]!;
    chunk.sequences.push(BigInt(place.sequence));
    chunk.indexes.push(place.index);
    chunk.lineBytes.push(line.byteLength);
    parts.push(line);
    size += line.byteLength;
  }
  close();
  return chunks;
}

function nextCursor(
  before: StagingCursor,
  request: SinkRequest,
  { rows, chunks }: { rows: StagedRows; chunks: readonly StagedChunk[] },
): StagingCursor {
  const rejects: StagingReject[] = [
    ...rows.bad.map((row) => ({ ...row, place: request.rows[row.index]!.place })),
    ...(request.rejects ?? []),
  ].map(({ place, reason, why }) =>
    create(StagingRejectSchema, {
      sequence: BigInt(place.sequence),
      index: place.index,
      reason,
      why,
    }),
  );
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.csv.byteLength, 0);
  return create(StagingCursorSchema, {
    ...before,
    rows: before.rows + BigInt(rows.lines.length),
    bytes: before.bytes + BigInt(bytes),
    ...(request.cursor
      ? {
          requestId: request.id,
          cursor: request.cursor,
          cursorEpoch: BigInt(request.epoch),
          rejects,
        }
      : { replayId: request.id, replayRejects: rejects }),
  });
}
