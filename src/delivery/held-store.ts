/**
 * Copies of held records (dead letters), stored before a cursor passes them (D1). A copy counts from
 * the moment the cursor has passed it; one whose record the cursor will meet again is a leftover of a
 * crash and not shown.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type HeldCopy, HeldCopySchema } from "#gen/tributary/delivery/v1/cursor_pb.js";
import type { KeyedEntry, KeyedStore } from "../bus/index.ts";
import type { Place } from "../sinks/sink.ts";
import { LaneRow } from "./lane-row.ts";
import { placeFromMessage, placeToMessage } from "./lane-state.ts";
import { comparePlaces } from "./place.ts";

const WRITE_MAX = 100;
const WRITE_BYTES_MAX = 512 * 1024;

/** A record to hold, with why. */
export interface HoldInput {
  readonly row: LaneRow;
  readonly reason: string;
  readonly why: string;
}

/** A held record. */
export interface HeldEntry {
  readonly place: Place;
  readonly partition: number;
  readonly copy: HeldCopy;
}

/** The copies of all sinks. */
export interface HeldStore {
  /** Stores copies; replaces those of the same places. */
  put(
    sinkUid: string,
    rows: readonly HoldInput[],
    facts: { partition: number; generation: number; sinkVersion: number; holdTimeMs: number },
  ): Promise<void>;
  /** All copies of a sink, newest place first. */
  list(sinkUid: string): Promise<HeldEntry[]>;
  /** Removes copies; those that are gone already are no fault. */
  remove(sinkUid: string, places: readonly Place[]): Promise<void>;
}

/** Held records in a keyed store. */
export function createHeldStore(store: KeyedStore): HeldStore {
  const keyOf = (sinkUid: string, place: Place) =>
    `held.${sinkUid}.${place.sequence}-${place.index}`;
  return {
    async put(sinkUid, rows, facts) {
      const values = rows.map((input) => ({
        key: keyOf(sinkUid, input.row.place),
        value: toBinary(HeldCopySchema, copyOf(input, facts)),
      }));
      await writeAll(store, values);
    },
    async list(sinkUid) {
      const entries = await store.list(`held.${sinkUid}`);
      return entries.map(heldEntry).sort((a, b) => comparePlaces(b.place, a.place));
    },
    async remove(sinkUid, places) {
      for (const place of places) await store.delete(keyOf(sinkUid, place));
    },
  };
}

/** A row as it was when it was held, to deliver it again. */
export function rowOfCopy(logUid: string, { copy, place }: HeldEntry): LaneRow {
  return new LaneRow(logUid, {
    place,
    json: copy.json,
    arrivalTimeUs: Number(copy.arrivalTimeUs),
    producerId: copy.producerId,
    schemaVersion: Number(copy.schemaVersion),
    keyHash: copy.hasKey ? copy.keyHash : undefined,
  });
}

function copyOf(
  { row, reason, why }: HoldInput,
  facts: { partition: number; generation: number; sinkVersion: number; holdTimeMs: number },
): HeldCopy {
  return create(HeldCopySchema, {
    place: placeToMessage(row.place),
    recordId: row.recordId,
    reason,
    error: why,
    holdTimeMs: BigInt(Math.round(facts.holdTimeMs)),
    arrivalTimeUs: BigInt(row.arrivalTimeUs),
    sinkVersion: BigInt(facts.sinkVersion),
    json: row.json,
    partition: facts.partition,
    generation: facts.generation,
    hasKey: row.keyHash !== undefined,
    keyHash: row.keyHash ?? 0,
    producerId: row.producerId,
    schemaVersion: BigInt(row.schemaVersion),
  });
}

function heldEntry(entry: KeyedEntry): HeldEntry {
  const copy = fromBinary(HeldCopySchema, entry.value);
  return { copy, place: placeFromMessage(copy.place), partition: copy.partition };
}

/** Only the owner of a sink writes its copies, and a copy of a place is always equal: no expectations. */
async function writeAll(
  store: KeyedStore,
  values: readonly { key: string; value: Uint8Array }[],
): Promise<void> {
  let start = 0;
  while (start < values.length) {
    let bytes = 0;
    let end = start;
    while (end < values.length && end - start < WRITE_MAX && bytes < WRITE_BYTES_MAX) {
      bytes += values[end]!.value.byteLength;
      end += 1;
    }
    await store.writeMany(values.slice(start, end));
    start = end;
  }
}
