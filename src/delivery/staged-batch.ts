/** Taking staged rows to their table, one transaction at a time; and letting those go that are too old. */
import { clone } from "@bufbuild/protobuf";
import { type StagingState, StagingStateSchema } from "#gen/tributary/delivery/v1/staging_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { RejectedPlace } from "../sinks/sink.ts";
import { type StagedBatch, type StagedChunk, TargetBehind } from "../sinks/staging.ts";
import { driverCall, within } from "./destinations.ts";
import type { RefusedRow, RefusedRows } from "./refused-rows.ts";
import type { StagingArea } from "./staging-area.ts";
import { importedWith, removeOld, rewind } from "./staging-history.ts";
import { nameStaging } from "./staging-identity.ts";
import { bytesOfLines, type Versioned } from "./staging-store.ts";
import { versionsOf } from "./version-table.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Bytes of chunks that one transaction takes. */
const BATCH_BYTES = 16 * 1024 * 1024;
const IMPORT_TIMEOUT_MS = 120_000;
/** How long a driver may ignore its signal. */
const GRACE_MS = 5_000;

/** What an import needs. */
export type ImportParts = Pick<
  WorkerOptions,
  "drivers" | "environment" | "definitions" | "templates" | "now"
> & { readonly area: StagingArea };

/** What one import did. */
export interface ImportedBatch {
  readonly rows: number;
  /** The last chunk that it took. */
  readonly sequence: number;
}

/** How one batch is imported. */
export interface ImportOptions {
  readonly signal: AbortSignal;
  /** Takes the rows that the target refuses; without it they fail the import. */
  readonly hold?: (refused: RefusedRows) => Promise<void>;
  /** Whether rows may be given up that a restored target lacks and the staging has no more. */
  readonly isLossAccepted?: boolean;
}

/**
 * Imports the oldest staged rows of a sink; undefined when there are none. Rows that the target has
 * forgotten are staged again by it, as far as they are kept. Throws what the driver does, STAGING_EXPIRED
 * when they are not, and StaleKeysError when another node has imported them meanwhile.
 */
export function importBatch(
  parts: ImportParts,
  sink: SinkDefinition,
  options: ImportOptions,
): Promise<ImportedBatch | undefined> {
  return parts.area.inTurn(async () => {
    const { signal, isLossAccepted = false } = options;
    signal.throwIfAborted();
    const { area } = parts;
    await nameStaging(area.store, sink.uid);
    const state = await area.store.state(sink.uid);
    const afterSequence = Number(state.value.doneSequence);
    const found = await area.store.chunks(sink.uid, { afterSequence, maxBytes: BATCH_BYTES });
    const version = found[0]?.sinkVersion;
    if (version === undefined) return undefined;
    const other = found.findIndex((chunk) => chunk.sinkVersion !== version);
    const chunks = other < 0 ? found : found.slice(0, other);
    area.at("read");
    try {
      return await importFound(parts, sink, { state, version, chunks, options });
    } catch (error) {
      if (!(error instanceof TargetBehind)) throw error;
      await rewind(area, sink.uid, { state, behind: error, isLossAccepted });
      return { rows: 0, sequence: error.sequence };
    }
  });
}

/**
 * Compares how far the target remembers to have imported with what was imported, and stages again what it
 * has forgotten. Fails as `importBatch` does.
 */
export async function checkTarget(
  parts: ImportParts,
  sink: SinkDefinition,
  { signal, isLossAccepted = false }: Omit<ImportOptions, "hold">,
): Promise<void> {
  const { area } = parts;
  const state = await area.store.state(sink.uid);
  const [last] = state.value.imported;
  if (!last) return;
  const version = Number(last.sinkVersion);
  try {
    const batch = batchOf(state.value, { version, chunks: [], isRefusalAllowed: false });
    await importChunks(parts, sink, { version, batch, signal });
  } catch (error) {
    if (!(error instanceof TargetBehind)) throw error;
    await rewind(area, sink.uid, { state, behind: error, isLossAccepted });
  }
}

interface FoundBatch {
  readonly state: Versioned<StagingState>;
  readonly version: number;
  readonly chunks: readonly StagedChunk[];
  readonly options: ImportOptions;
}

async function importFound(
  parts: ImportParts,
  sink: SinkDefinition,
  { state, version, chunks, options: { signal, hold } }: FoundBatch,
): Promise<ImportedBatch> {
  const { area } = parts;
  const isRefusalAllowed = hold !== undefined;
  const batch = batchOf(state.value, { version, chunks, isRefusalAllowed });
  const refused = await importChunks(parts, sink, { version, batch, signal });
  area.at("imported");
  const { rows, bytes, sequence } = sumOf(chunks);
  if (refused.length > 0) {
    await hold?.({ sequence, sinkVersion: version, rows: refused.map(partitionedBy(chunks)) });
  }
  const value = after(state.value, { rows, bytes, sequence });
  value.importTimeMs = BigInt(Math.round(parts.now()));
  value.importRows = BigInt(rows);
  // Programs before this one removed rows as soon as they were imported.
  if (value.imported.length === 0) value.removedSequence = state.value.doneSequence;
  value.imported = importedWith(value, { version, sequence });
  value.keptBytes += BigInt(bytes);
  const written = await area.store.writeState(sink.uid, { value, sequence: state.sequence });
  area.at("noted");
  await removeOld(parts, sink.uid, written);
  area.at("removed");
  return { rows, sequence };
}

function batchOf(
  state: StagingState,
  of: { version: number } & Pick<StagedBatch, "chunks" | "isRefusalAllowed">,
): StagedBatch {
  const { version, chunks, isRefusalAllowed } = of;
  const former = state.former.map((name) => ({
    identity: name.identity,
    lastSequence: Number(name.lastSequence),
  }));
  const own = state.imported.find((each) => Number(each.sinkVersion) === version);
  const imported = Number(own?.sequence ?? 0n);
  return { identity: state.identity, former, chunks, imported, isRefusalAllowed };
}

/**
 * Lets staged rows go that are older than they are kept; gives how many. A crash just after an import
 * whose target was never reached again counts its rows here as well, though they are in the table.
 */
export async function expireStaged(
  { area, now }: Pick<ImportParts, "area" | "now">,
  sinkUid: string,
): Promise<number> {
  let expired = 0;
  for (;;) {
    const state = await area.store.state(sinkUid);
    const found = await area.store.chunks(sinkUid, {
      afterSequence: Number(state.value.doneSequence),
      maxBytes: BATCH_BYTES,
      isBare: true,
    });
    const old = found.filter((chunk) => chunk.timeMs <= now() - area.keptMs);
    if (old.length === 0) return expired;
    const sum = sumOf(old);
    const value = after(state.value, sum);
    value.expiredRows += BigInt(sum.rows);
    // What was imported before them is older.
    value.removedSequence = BigInt(sum.sequence);
    value.keptBytes = 0n;
    await area.store.writeState(sinkUid, { value, sequence: state.sequence });
    await area.store.removeThrough(sinkUid, sum.sequence);
    expired += sum.rows;
  }
}

interface ChunksJob {
  readonly version: number;
  readonly batch: StagedBatch;
  readonly signal: AbortSignal;
}

async function importChunks(
  parts: ImportParts,
  sink: SinkDefinition,
  { version, batch, signal }: ChunksJob,
): Promise<readonly RejectedPlace[]> {
  const versions = versionsOf(sink, parts);
  const input = {
    drivers: parts.drivers,
    environment: parts.environment,
    sink,
    logUid: sink.log.uid,
    branch: sink.log.branch,
    stream: () => parts.definitions.streamByLog(sink.log.uid),
  };
  const { driver, config, env } = driverCall(input, versions.byNumber(version));
  const newest = versions.newest().version.sink.config.value as never;
  if (!driver.staging) throw new Error("rows of a sink that stages none");
  const limit = AbortSignal.any([signal, AbortSignal.timeout(IMPORT_TIMEOUT_MS)]);
  const importing = driver.staging.import({ config, newest }, env, { batch, signal: limit });
  return await within(importing, IMPORT_TIMEOUT_MS + GRACE_MS);
}

/** Finds out whose rows were refused: a sequence belongs to one partition. */
function partitionedBy(chunks: readonly StagedChunk[]): (row: RejectedPlace) => RefusedRow {
  return (row) => {
    const isIts = ({ places }: StagedChunk) =>
      places.some(({ sequence, index }) => {
        return sequence === row.place.sequence && index === row.place.index;
      });
    return { ...row, partition: chunks.find(isIts)?.partition ?? 0 };
  };
}

interface Sum {
  readonly rows: number;
  readonly bytes: number;
  readonly sequence: number;
}

function sumOf(chunks: readonly StagedChunk[]): Sum {
  let [rows, bytes] = [0, 0];
  for (const chunk of chunks) {
    rows += chunk.places.length;
    bytes += bytesOfLines(chunk);
  }
  return { rows, bytes, sequence: chunks.at(-1)!.sequence };
}

function after(state: StagingState, { rows, bytes, sequence }: Sum): StagingState {
  const next = clone(StagingStateSchema, state);
  next.doneSequence = BigInt(sequence);
  next.doneRows += BigInt(rows);
  next.doneBytes += BigInt(bytes);
  return next;
}
