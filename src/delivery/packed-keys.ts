/** Parked keys as bytes: thousands of them are written many times a second with the cursor. */
import type { ParkedKey } from "./lane-state.ts";

const KEY_BYTES = 16;
const RESUMING = 0x8000_0000;

/** Packs keys: hash (4 bytes), sequence as a double (8), index with the resuming bit (4), big-endian. */
export function packKeys(keys: ReadonlyMap<number, ParkedKey>): Uint8Array {
  const bytes = new Uint8Array(keys.size * KEY_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [hash, { first, isResuming }] of keys) {
    view.setUint32(at, hash);
    view.setFloat64(at + 4, first.sequence);
    view.setUint32(at + 12, first.index + (isResuming ? RESUMING : 0));
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
    const index = view.getUint32(at + 12);
    const first = { sequence: view.getFloat64(at + 4), index: index % RESUMING };
    keys.set(view.getUint32(at), { first, isResuming: index >= RESUMING });
  }
  return keys;
}
