/**
 * Records that sources refused and kept, in a keyed store: on disk before the sender is answered. Keys are
 * `q.<project>.<source>.<id>`; an id begins with its time and ends with its size, so lists, pages and
 * quotas need the keys alone.
 */
import { randomBytes } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type QuarantinedRecord,
  QuarantinedRecordSchema,
} from "#gen/tributary/management/v1/source_pb.js";
import { fail } from "../core/errors.ts";
import type { RefusedRecord } from "./source-body.ts";

/** The part of a keyed store that is used. */
export interface QuarantineEntries {
  writeMany(writes: readonly { key: string; value: Uint8Array }[]): Promise<unknown>;
  get(key: string): Promise<{ readonly value: Uint8Array } | undefined>;
  keys(prefix: string): Promise<string[]>;
  deleteMany(keys: readonly string[]): Promise<void>;
  deleteAll(prefix: string): Promise<void>;
}

/** Whose records they are. */
export interface QuarantineOwner {
  readonly uid: string;
  readonly projectUid: string;
}

/** The records in quarantine of all sources. All methods fail with LOG_UNAVAILABLE. */
export interface Quarantine {
  /** Keeps records; on disk when it resolves, with their ids. Fails with QUOTA_EXCEEDED. */
  put(
    owner: QuarantineOwner,
    refused: readonly RefusedRecord[],
    facts: { readonly address: string; readonly arrivalTimeMs: number },
  ): Promise<string[]>;
  /** Ids of all records, newest first. */
  ids(owner: QuarantineOwner): Promise<string[]>;
  /** Records by id, in that order; without those that are gone. */
  read(owner: QuarantineOwner, ids: readonly string[]): Promise<QuarantinedRecord[]>;
  remove(owner: QuarantineOwner, ids: readonly string[]): Promise<void>;
  removeAll(owner: QuarantineOwner): Promise<void>;
  /**
   * Removes what belongs to sources that are gone, such as with their stream; a record younger than ten
   * minutes may be of a source that this node has not heard of.
   */
  sweep(isThere: (sourceUid: string) => boolean, nowMs: number): Promise<void>;
}

/** Bounds. */
export interface QuarantineLimits {
  /** Records of one source; 10,000. */
  readonly records: number;
  /** Bytes of one project; 256 MiB. */
  readonly bytes: number;
}

const LIMITS: QuarantineLimits = { records: 10_000, bytes: 256 * 1024 * 1024 };
const WRITE_MAX = 100;
const WRITE_BYTES_MAX = 512 * 1024;
const READS_AT_ONCE = 32;
/** How long a count of what other nodes may have changed is believed. */
const COUNT_MS = 30_000;
/** Definitions of older sources are known on every node that answers at all. */
const SURELY_KNOWN_MS = 10 * 60_000;
const ID = /^([0-9a-z]{9})-[0-9a-f]{16}-([0-9a-z]{1,6})$/;

/** The quarantine over a store. */
export function createQuarantine(
  entries: QuarantineEntries,
  limits: QuarantineLimits = LIMITS,
): Quarantine {
  const counts = createCounts(entries);
  const read = async (owner: QuarantineOwner, ids: readonly string[]) => {
    const found: QuarantinedRecord[] = [];
    const good = ids.filter((id) => ID.test(id));
    for (let at = 0; at < good.length; at += READS_AT_ONCE) {
      const some = good.slice(at, at + READS_AT_ONCE);
      const values = await Promise.all(some.map((id) => entries.get(keyOf(owner, id))));
      for (const entry of values) {
        if (entry) found.push(fromBinary(QuarantinedRecordSchema, entry.value));
      }
    }
    return found;
  };
  return {
    async put(owner, refused, facts) {
      const writes = refused.map((record) => encode(owner, record, facts));
      const bytes = refused.reduce((sum, { content }) => sum + content.length, 0);
      await counts.take(owner, { records: writes.length, bytes }, limits);
      for (const batch of batches(writes)) await entries.writeMany(batch);
      return writes.map(({ id }) => id);
    },
    ids: (owner) => listIds(entries, owner),
    read,
    async remove(owner, ids) {
      const good = ids.filter((id) => ID.test(id));
      await entries.deleteMany(good.map((id) => keyOf(owner, id)));
      counts.forget(owner);
    },
    async sweep(isThere, nowMs) {
      for (const owner of await listOldOwners(entries, nowMs)) {
        if (!isThere(owner.uid)) await entries.deleteAll(`q.${owner.projectUid}.${owner.uid}`);
      }
    },
    async removeAll(owner) {
      await entries.deleteAll(`q.${owner.projectUid}.${owner.uid}`);
      counts.forget(owner);
    },
  };
}

/** Owners of records of which all are old, by key. */
async function listOldOwners(
  entries: QuarantineEntries,
  nowMs: number,
): Promise<readonly QuarantineOwner[]> {
  const newest = new Map<string, number>();
  for (const key of await entries.keys("q")) {
    const [, projectUid, uid, id = ""] = key.split(".");
    const timeMs = Number.parseInt(ID.exec(id)?.[1] ?? "0", 36);
    const owner = `${projectUid}.${uid}`;
    newest.set(owner, Math.max(newest.get(owner) ?? 0, timeMs));
  }
  return [...newest]
    .filter(([, timeMs]) => timeMs < nowMs - SURELY_KNOWN_MS)
    .map(([owner]) => {
      const [projectUid = "", uid = ""] = owner.split(".");
      return { projectUid, uid };
    });
}

async function listIds(entries: QuarantineEntries, owner: QuarantineOwner): Promise<string[]> {
  const keys = await entries.keys(`q.${owner.projectUid}.${owner.uid}`);
  const ids = keys.map((key) => key.split(".")[3] ?? "").filter((id) => ID.test(id));
  return ids.sort().reverse();
}

function keyOf({ projectUid, uid }: QuarantineOwner, id: string): string {
  return `q.${projectUid}.${uid}.${id}`;
}

function encode(
  owner: QuarantineOwner,
  { content, reason, error, index }: RefusedRecord,
  { address, arrivalTimeMs }: { readonly address: string; readonly arrivalTimeMs: number },
) {
  const time = Math.floor(arrivalTimeMs).toString(36).padStart(9, "0");
  const id = `${time}-${randomBytes(8).toString("hex")}-${content.length.toString(36)}`;
  const record = create(QuarantinedRecordSchema, {
    id,
    content,
    reason,
    error: error.slice(0, 2_000),
    arrivalTime: timestampFromMs(arrivalTimeMs),
    address,
    index,
  });
  return { id, key: keyOf(owner, id), value: toBinary(QuarantinedRecordSchema, record) };
}

function* batches<T extends { readonly value: Uint8Array }>(writes: readonly T[]): Generator<T[]> {
  for (let start = 0; start < writes.length; ) {
    let end = start;
    let bytes = 0;
    while (end < writes.length && end - start < WRITE_MAX && bytes < WRITE_BYTES_MAX) {
      bytes += writes[end++]!.value.length;
    }
    yield writes.slice(start, end);
    start = end;
  }
}

interface Count {
  records: number;
  bytes: number;
}

/** What sources and projects hold, counted from keys now and then, and by what this node adds. */
function createCounts(entries: QuarantineEntries) {
  const projects = new Map<
    string,
    { readonly atMs: number; readonly bySource: Map<string, Count> }
  >();
  const load = async (projectUid: string) => {
    const known = projects.get(projectUid);
    if (known && performance.now() - known.atMs < COUNT_MS) return known.bySource;
    const bySource = new Map<string, Count>();
    for (const key of await entries.keys(`q.${projectUid}`)) {
      const [, , sourceUid = "", id = ""] = key.split(".");
      const count = bySource.get(sourceUid) ?? { records: 0, bytes: 0 };
      count.records++;
      count.bytes += Number.parseInt(ID.exec(id)?.[2] ?? "0", 36);
      bySource.set(sourceUid, count);
    }
    projects.set(projectUid, { atMs: performance.now(), bySource });
    return bySource;
  };
  return {
    async take({ projectUid, uid }: QuarantineOwner, more: Count, limits: QuarantineLimits) {
      const bySource = await load(projectUid);
      const own = bySource.get(uid) ?? { records: 0, bytes: 0 };
      const all = [...bySource.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      if (own.records + more.records > limits.records || all + more.bytes > limits.bytes) {
        throw fail(
          "QUOTA_EXCEEDED",
          `the quarantine is full (${limits.records} records of a source, ${limits.bytes} bytes of ` +
            "a project): resend or discard what it holds",
          { metadata: { records: String(limits.records), bytes: String(limits.bytes) } },
        );
      }
      own.records += more.records;
      own.bytes += more.bytes;
      bySource.set(uid, own);
    },
    forget: ({ projectUid }: QuarantineOwner) => projects.delete(projectUid),
  };
}
