/**
 * Rows that were imported stay staged for a while, up to a bound: a target that is restored from its own
 * backup gets those again that it took since, each once, for it remembers how far it had come.
 */
import { clone, create } from "@bufbuild/protobuf";
import {
  StagingImportSchema,
  type StagingState,
  StagingStateSchema,
} from "#gen/tributary/delivery/v1/staging_pb.js";
import { SinkFault } from "../sinks/sink-fault.ts";
import type { TargetBehind } from "../sinks/staging.ts";
import type { StagingArea } from "./staging-area.ts";
import { bytesOfLines, type Versioned } from "./staging-store.ts";

/** Versions whose imports are remembered. */
const VERSIONS_MAX = 16;
const PAGE_BYTES = 4 * 1024 * 1024;
const PAGE_CHUNKS = 1_000;

/** What was imported, with the newest import. */
export function importedWith(
  { imported }: StagingState,
  { version, sequence }: { readonly version: number; readonly sequence: number },
): StagingState["imported"] {
  const sinkVersion = BigInt(version);
  const newest = create(StagingImportSchema, { sinkVersion, sequence: BigInt(sequence) });
  const others = imported.filter((each) => each.sinkVersion !== sinkVersion);
  return [newest, ...others].slice(0, VERSIONS_MAX);
}

/** Removes imported rows that are older than they are kept, or of which there are too many. */
export async function removeOld(
  { area, now }: { readonly area: StagingArea; readonly now: () => number },
  sinkUid: string,
  state: Versioned<StagingState>,
): Promise<void> {
  const { store, keptMs, keptBytes } = area;
  const value = clone(StagingStateSchema, state.value);
  const beforeMs = now() - keptMs;
  // The oldest is looked at alone: mostly it stays.
  for (let [isMore, maxChunks] = [true, 1]; isMore; maxChunks = PAGE_CHUNKS) {
    const found = await store.chunks(sinkUid, {
      afterSequence: Number(value.removedSequence),
      throughSequence: Number(value.doneSequence),
      maxBytes: PAGE_BYTES,
      isBare: true,
      maxChunks,
    });
    isMore = found.length > 0;
    for (const chunk of found) {
      if (chunk.timeMs > beforeMs && value.keptBytes <= keptBytes) {
        isMore = false;
        break;
      }
      value.removedSequence = BigInt(chunk.sequence);
      value.keptBytes -= BigInt(bytesOfLines(chunk));
    }
  }
  if (value.removedSequence === state.value.removedSequence) return;
  await store.writeState(sinkUid, { value, sequence: state.sequence });
  await store.removeThrough(sinkUid, Number(value.removedSequence));
}

/** What a rewind is told. */
export interface RewindOptions {
  readonly state: Versioned<StagingState>;
  readonly behind: TargetBehind;
  readonly isLossAccepted: boolean;
}

/**
 * Makes the rows wait again that the target has forgotten. Fails with STAGING_EXPIRED when some of them are
 * gone, unless that is accepted.
 */
export async function rewind(
  { store, keptMs }: StagingArea,
  sinkUid: string,
  { state, behind, isLossAccepted }: RewindOptions,
): Promise<void> {
  const value = clone(StagingStateSchema, state.value);
  const removed = Number(value.removedSequence);
  const from = Math.max(behind.sequence, removed);
  if (behind.sequence < removed && !isLossAccepted) {
    const [oldest] = await store.chunks(sinkUid, {
      afterSequence: removed,
      maxBytes: 1,
      maxChunks: 1,
      isBare: true,
    });
    throw expiredFault(behind, { oldestMs: oldest?.timeMs, keptMs });
  }
  for (let after = from; ; ) {
    const found = await store.chunks(sinkUid, {
      afterSequence: after,
      throughSequence: Number(state.value.doneSequence),
      maxBytes: PAGE_BYTES,
      isBare: true,
    });
    for (const chunk of found) {
      value.doneRows -= BigInt(chunk.places.length);
      value.doneBytes -= BigInt(bytesOfLines(chunk));
      value.keptBytes -= BigInt(bytesOfLines(chunk));
    }
    if (found.length === 0) break;
    after = found.at(-1)!.sequence;
  }
  if (value.doneSequence > BigInt(from)) value.doneSequence = BigInt(from);
  // What is accepted as lost is not looked for again.
  for (const each of value.imported) {
    const known = BigInt(behind.sequence);
    if (each.sequence > known) each.sequence = known;
  }
  await store.writeState(sinkUid, { value, sequence: state.sequence });
}

function expiredFault(
  { sinceMs }: TargetBehind,
  { oldestMs, keptMs }: { readonly oldestMs: number | undefined; readonly keptMs: number },
): SinkFault {
  const days = keptMs / 86_400_000;
  const begin = sinceMs === undefined ? "the beginning" : new Date(sinceMs).toISOString();
  const end = oldestMs === undefined ? "now" : new Date(oldestMs).toISOString();
  return new SinkFault(
    "STAGING_EXPIRED",
    `the table was restored from a backup, and rows that it took between ${begin} and ${end} are not ` +
      `staged any more (they are kept for ${days} days, and up to a size): RestartSink imports the ` +
      "later ones, a replay of that time delivers the others",
  );
}
