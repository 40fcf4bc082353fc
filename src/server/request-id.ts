/**
 * Ids of requests: UUIDs (RFC 9562, version 4) whose first half is drawn once for the process, and whose
 * last twelve digits are a counter, passed through a keyed permutation so that nobody can tell from them
 * how many others there were. Each is given once; a UUID by node:crypto took 4 % of a push.
 */
import { randomBytes } from "node:crypto";

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
const HALF = 0x1000000;
const ROUNDS = 4;

/** Makes the giver of ids; `random` gives so many random bytes. */
export function createRequestIds(
  random: (bytes: number) => Uint8Array = randomBytes,
): () => string {
  const seed = Buffer.from(random(16 + 4 * ROUNDS));
  const text = seed.toString("hex", 0, 10);
  const variant = (8 + (seed[10]! & 3)).toString(16);
  const groups = [text.slice(0, 8), text.slice(8, 12), `4${text.slice(12, 15)}`];
  const head = `${groups.join("-")}-${variant}${text.slice(15, 18)}-`;
  const keys = Array.from({ length: ROUNDS }, (_, i) => seed.readInt32LE(16 + 4 * i));
  let low = 0;
  let high = 0;
  return () => {
    low = (low + 1) % HALF;
    if (low === 0) high = (high + 1) % HALF;
    // A Feistel network over two halves of 24 bits: a permutation, whatever the rounds mix.
    let left = high;
    let right = low;
    for (const key of keys) {
      const mixed = Math.imul(right ^ key, 0x9e3779b1);
      const next = left ^ ((mixed ^ (mixed >>> 15)) & 0xffffff);
      left = right;
      right = next;
    }
    return head + hexOf(left) + hexOf(right);
  };
}

function hexOf(half: number): string {
  return HEX[half >>> 16]! + HEX[(half >>> 8) & 0xff]! + HEX[half & 0xff]!;
}
