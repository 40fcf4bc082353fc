/**
 * Ids of records: UUIDs of version 7 (RFC 9562) made from arrival time and place. The 74 bits that
 * the RFC leaves open hold sequence (54 bits) and index (20 bits), permuted by a Feistel network
 * keyed by the log and the time, so ids tell strangers nothing of other records, differ between
 * logs, and still lead back to their record. The permutation hides, it does not protect: access is
 * checked where a record is read.
 */
import { createHash } from "node:crypto";

/** Where a record stands: message and position in it. */
export interface RecordPlace {
  /** Sequence of the message within its shard, from 1. */
  readonly sequence: number;
  /** Position within the message, from 0. */
  readonly index: number;
}

const INDEX_BITS = 20;
/** An index is below this. */
export const RECORD_INDEX_LIMIT = 2 ** INDEX_BITS;
const ROUNDS = 6;
const LOGS_REMEMBERED = 1024;

/**
 * The id of a record. `arrivalTimeMs` is the call's arrival in whole milliseconds, below 2^48;
 * `sequence` a safe integer; `index` below 2^20. Throws a RangeError for other values.
 */
export function recordId(logUid: string, place: RecordPlace, arrivalTimeMs: number): string {
  const { sequence, index } = place;
  if (!Number.isSafeInteger(sequence) || sequence < 0) throw new RangeError("sequence");
  if (!Number.isInteger(index) || index < 0 || index >= RECORD_INDEX_LIMIT) {
    throw new RangeError("index");
  }
  const ms = Math.floor(arrivalTimeMs);
  if (!(ms >= 0 && ms < 2 ** 48)) throw new RangeError("arrivalTimeMs");
  // 74 bits = left 37 (upper bits of the sequence) and right 37 (its lower 17 bits, then the index).
  const left = Math.floor(sequence / 2 ** 17);
  const right = (sequence % 2 ** 17) * RECORD_INDEX_LIMIT + index;
  const halves = permute(left, right, { keys: roundKeys(logUid), ms });
  return format(ms, halves[0], halves[1]);
}

/** The place that an id names in a log, and its arrival; undefined for an id no record of it has. */
export function placeOfRecordId(
  logUid: string,
  id: string,
): (RecordPlace & { readonly arrivalTimeMs: number }) | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)) {
    return undefined;
  }
  const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  const a = Number.parseInt(id.slice(15, 18), 16);
  const b = Number.parseInt(id.slice(19, 23), 16) & 0x3fff;
  const c = Number.parseInt(id.slice(24), 16);
  // left = 12 bits of a, 14 of b, the upper 11 of c; right = the lower 37 of c.
  const left = (a * 2 ** 14 + b) * 2 ** 11 + Math.floor(c / 2 ** 37);
  const halves = restore(left, c % 2 ** 37, { keys: roundKeys(logUid), ms });
  const index = halves[1] % RECORD_INDEX_LIMIT;
  const sequence = halves[0] * 2 ** 17 + Math.floor(halves[1] / RECORD_INDEX_LIMIT);
  return Number.isSafeInteger(sequence) ? { sequence, index, arrivalTimeMs: ms } : undefined;
}

interface Key {
  readonly keys: Uint32Array;
  readonly ms: number;
}

function permute(left: number, right: number, key: Key): readonly [number, number] {
  let l = left;
  let r = right;
  for (let round = 0; round < ROUNDS; round++) {
    const next = xor37(l, mix37(r, round, key));
    l = r;
    r = next;
  }
  return [l, r];
}

function restore(left: number, right: number, key: Key): readonly [number, number] {
  let l = left;
  let r = right;
  for (let round = ROUNDS - 1; round >= 0; round--) {
    const before = xor37(r, mix37(l, round, key));
    r = l;
    l = before;
  }
  return [l, r];
}

/** Exclusive or of two numbers below 2^37. */
function xor37(a: number, b: number): number {
  const high = Math.floor(a / 2 ** 32) ^ Math.floor(b / 2 ** 32);
  return high * 2 ** 32 + ((a ^ b) >>> 0);
}

/** The round function: 37 bits from 37 bits, the log's keys and the time. */
function mix37(half: number, round: number, { keys, ms }: Key): number {
  const low = mix32(half ^ keys[round * 2]! ^ Math.imul(ms | 0, 0x9e3779b1));
  const high = Math.floor(half / 2 ** 32) + Math.floor(ms / 2 ** 32) * 32;
  const mixed = mix32(low ^ Math.imul(high + 1, 0x85ebca6b) ^ keys[round * 2 + 1]!);
  return (mix32(mixed ^ low) & 31) * 2 ** 32 + mixed;
}

/** The finaliser of MurmurHash3: every bit of the input changes half of the output's. */
function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const remembered = new Map<string, Uint32Array>();

function roundKeys(logUid: string): Uint32Array {
  const known = remembered.get(logUid);
  if (known) return known;
  const digest = createHash("sha512").update(`tributary record id ${logUid}`).digest();
  const keys = new Uint32Array(ROUNDS * 2);
  for (let i = 0; i < keys.length; i++) keys[i] = digest.readUInt32LE(i * 4);
  if (remembered.size >= LOGS_REMEMBERED) remembered.clear();
  remembered.set(logUid, keys);
  return keys;
}

/** Three hexadecimal digits for each number of 12 bits. */
const DIGITS = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, "0"));

let timeMs = -1;
let timeText = "";

/**
 * The text of an id. `toString(16)` of a number above 2^31 takes a microsecond, ten times as long as
 * the table; the time of neighbours is mostly the same, so its text is kept.
 */
function format(ms: number, left: number, right: number): string {
  if (ms !== timeMs) {
    const time = ms.toString(16).padStart(12, "0");
    timeText = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    timeMs = ms;
  }
  const high = Math.floor(left / 2 ** 11);
  const a = Math.floor(high / 2 ** 14);
  const b = (high % 2 ** 14) + 0x8000;
  // The last 48 bits: 11 of left, 37 of right.
  const upper = (left % 2 ** 11) * 2 ** 13 + Math.floor(right / 2 ** 24);
  const lower = right % 2 ** 24;
  const tail =
    DIGITS[upper >> 12]! + DIGITS[upper & 4095]! + DIGITS[lower >> 12]! + DIGITS[lower & 4095]!;
  return `${timeText}${DIGITS[a]!}-${"89ab"[(b >> 12) - 8]}${DIGITS[b & 4095]!}-${tail}`;
}
