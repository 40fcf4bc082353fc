/** Parked keys as bytes: thousands of them are written many times a second with the cursor. */
import type { ParkedKey } from "./parked-keys.ts";

const KEY_BYTES = 16;
const PAGED_KEY_BYTES = KEY_BYTES + 4;
const RESUMING = 0x8000_0000;

/** A parked key in a page, which holds keys of many lanes. */
export interface PagedKey {
  readonly partition: number;
  readonly hash: number;
  readonly key: ParkedKey;
}

/** Packs keys: hash (4 bytes), sequence as a double (8), index with the resuming bit (4), big-endian. */
export function packKeys(keys: Iterable<readonly [number, ParkedKey]>, count: number): Uint8Array {
  const bytes = new Uint8Array(count * KEY_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [hash, key] of keys) {
    writeKey(view, at, { hash, key });
    at += KEY_BYTES;
  }
  return bytes;
}

/** Reads packed keys. Throws a RangeError for bytes that `packKeys` did not make. */
export function unpackKeys(bytes: Uint8Array): Map<number, ParkedKey> {
  if (bytes.byteLength % KEY_BYTES !== 0) throw new RangeError("packed keys are cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const keys = new Map<number, ParkedKey>();
  for (let at = 0; at < bytes.byteLength; at += KEY_BYTES) {
    const { hash, key } = readKey(view, at);
    keys.set(hash, key);
  }
  return keys;
}

/** Packs the keys of a page: each as `packKeys` does, after its partition (4 bytes). */
export function packPage(keys: readonly PagedKey[]): Uint8Array {
  const bytes = new Uint8Array(keys.length * PAGED_KEY_BYTES);
  const view = new DataView(bytes.buffer);
  keys.forEach((key, i) => {
    view.setUint32(i * PAGED_KEY_BYTES, key.partition);
    writeKey(view, i * PAGED_KEY_BYTES + 4, key);
  });
  return bytes;
}

/** Reads a page. Throws a RangeError for bytes that `packPage` did not make. */
export function unpackPage(bytes: Uint8Array): PagedKey[] {
  if (bytes.byteLength % PAGED_KEY_BYTES !== 0) throw new RangeError("a page of keys is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / PAGED_KEY_BYTES }, (_, i) => {
    const at = i * PAGED_KEY_BYTES;
    return { partition: view.getUint32(at), ...readKey(view, at + 4) };
  });
}

function writeKey(view: DataView, at: number, { hash, key }: Omit<PagedKey, "partition">): void {
  view.setUint32(at, hash);
  view.setFloat64(at + 4, key.first.sequence);
  view.setUint32(at + 12, key.first.index + (key.isResuming ? RESUMING : 0));
}

function readKey(view: DataView, at: number): Omit<PagedKey, "partition"> {
  const index = view.getUint32(at + 12);
  const first = { sequence: view.getFloat64(at + 4), index: index % RESUMING };
  return { hash: view.getUint32(at), key: { first, isResuming: index >= RESUMING } };
}
