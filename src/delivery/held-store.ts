/**
 * Copies of held records (dead letters), stored before a cursor passes them (D1). A copy counts from
 * the moment the cursor has passed it; one whose record the cursor will meet again is a leftover of a
 * crash and not shown. Keys say what is asked often, so that pages are chosen without reading copies.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type HeldCopy, HeldCopySchema } from "#gen/tributary/delivery/v1/cursor_pb.js";
import type { KeyedStore } from "../bus/index.ts";
import type { Place } from "../sinks/sink.ts";
import { LaneRow } from "./lane-row.ts";
import { placeToMessage } from "./lane-state.ts";
import { comparePlaces, formatPlace, parsePlace } from "./place.ts";

const WRITE_MAX = 100;
const WRITE_BYTES_MAX = 512 * 1024;
const READS_AT_ONCE = 32;

/** A record to hold, with why. */
export interface HoldInput {
  readonly row: LaneRow;
  readonly reason: string;
  readonly why: string;
  /** The copy that was replayed, and the id of the request that brought it; not set when it was not. */
  readonly replayed?: { readonly copy: HeldCopy; readonly requestId: string };
  /** Name of the replay of stored records that had it refused; not set when delivery had. */
  readonly replay?: string;
}

/** What the key of a copy says. */
export interface HeldKey {
  readonly place: Place;
  readonly partition: number;
  /** Kafka's murmur2 of the record's key; undefined on a stream without keys. */
  readonly keyHash: number | undefined;
}

/** A held record. */
export interface HeldEntry extends HeldKey {
  readonly copy: HeldCopy;
}

/** Facts of a request whose records are held. */
export interface HoldFacts {
  readonly partition: number;
  readonly generation: number;
  readonly sinkVersion: number;
  readonly holdTimeMs: number;
}

/** The copies of all sinks. All fail with LOG_UNAVAILABLE. */
export interface HeldStore {
  /** Stores copies; replaces those of the same places. */
  put(sinkUid: string, rows: readonly HoldInput[], facts: HoldFacts): Promise<void>;
  /** Keys of all copies of a sink, newest place first. */
  keys(sinkUid: string): Promise<HeldKey[]>;
  /** Copies of these keys, in their order; without those that are gone. */
  read(sinkUid: string, keys: readonly HeldKey[]): Promise<HeldEntry[]>;
  /** Removes copies; those that are gone already are no fault. */
  remove(sinkUid: string, keys: readonly HeldKey[]): Promise<void>;
  /** Removes everything of a sink that is deleted. */
  removeAll(sinkUid: string): Promise<void>;
  /** Sinks that have copies. */
  sinkUids(): Promise<ReadonlySet<string>>;
}

/** Held records in a keyed store. */
export function createHeldStore(store: KeyedStore): HeldStore {
  return {
    async put(sinkUid, rows, facts) {
      const { partition } = facts;
      const values = rows.map((input) => ({
        key: formatKey(sinkUid, {
          place: input.row.place,
          keyHash: input.row.keyHash,
          partition,
        }),
        value: toBinary(HeldCopySchema, copyOf(input, facts)),
      }));
      await writeAll(store, values);
    },
    async keys(sinkUid) {
      const keys = (await store.keys(`held.${sinkUid}`)).flatMap(parseKey);
      return keys.sort((a, b) => comparePlaces(b.place, a.place));
    },
    async read(sinkUid, keys) {
      const entries: HeldEntry[] = [];
      for (let at = 0; at < keys.length; at += READS_AT_ONCE) {
        const some = keys.slice(at, at + READS_AT_ONCE);
        const found = await Promise.all(some.map((key) => store.get(formatKey(sinkUid, key))));
        found.forEach((entry, i) => {
          if (entry) entries.push({ ...some[i]!, copy: fromBinary(HeldCopySchema, entry.value) });
        });
      }
      return entries;
    },
    remove: (sinkUid, keys) => store.deleteMany(keys.map((key) => formatKey(sinkUid, key))),
    removeAll: (sinkUid) => store.deleteAll(`held.${sinkUid}`),
    async sinkUids() {
      const keys = await store.keys("held");
      return new Set(keys.map((key) => key.split(".")[1] ?? ""));
    },
  };
}

/** `held.<sink>.<partition>.<hash of the key, or _>.<place>`. */
function formatKey(sinkUid: string, { partition, keyHash, place }: HeldKey): string {
  return `held.${sinkUid}.${partition}.${keyHash ?? "_"}.${formatPlace(place)}`;
}

function parseKey(key: string): HeldKey[] {
  const [, , partition, hash, text] = key.split(".");
  const place = parsePlace(text ?? "");
  if (!place) return [];
  const keyHash = hash === "_" ? undefined : Number(hash);
  return [{ place, partition: Number(partition), keyHash }];
}

/** A row as it was when it was held, to deliver it again. */
export function rowOfCopy(logUid: string, { copy, place, keyHash }: HeldEntry): LaneRow {
  const call = {
    firstIndex: place.index,
    arrivalTimeUs: Number(copy.arrivalTimeUs),
    schemaVersion: Number(copy.schemaVersion),
    address: copy.address,
    headers: copy.headers,
    producerIds: [copy.producerId],
    keyHashes: keyHash === undefined ? [] : [keyHash],
    bytes: copy.json,
    spans: [0, copy.json.byteLength],
  };
  return new LaneRow({ logUid, sequence: place.sequence, call }, 0);
}

function copyOf({ row, reason, why, replayed, replay }: HoldInput, facts: HoldFacts): HeldCopy {
  return create(HeldCopySchema, {
    ...(replayed && {
      replays: replayed.copy.replays + 1,
      replayRequestId: replayed.requestId,
      firstHoldTimeMs: replayed.copy.firstHoldTimeMs || replayed.copy.holdTimeMs,
      firstReason: replayed.copy.firstReason || replayed.copy.reason,
    }),
    replay: replay ?? replayed?.copy.replay ?? "",
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
    address: row.call.address,
    headers: row.call.headers.map(({ name, value }) => ({ name, value })),
  });
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
