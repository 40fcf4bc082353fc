/**
 * Says of most hashes that are not in a set that they are not, with one look at 128 KiB: asking a map of
 * 100,000 keys about every record would cost as much as delivering it, for the map is in no cache.
 */

/** A power of two: one in ten of the hashes that are not there is let through beside 100,000. */
const BITS = 2 ** 20;
/** A smaller set needs no filter. */
const SET_MIN = 1_000;

/** The filter of one set of 32-bit hashes. */
export class HashFilter {
  readonly #hashes: { readonly size: number; keys(): Iterable<number> };
  #bits: Uint32Array | undefined;
  #removed = 0;

  constructor(hashes: { readonly size: number; keys(): Iterable<number> }) {
    this.#hashes = hashes;
  }

  /** False only for a hash that is not in the set. */
  mayHave(hash: number): boolean {
    if (!this.#bits) return true;
    return (this.#bits[(hash % BITS) >>> 5]! & (1 << (hash & 31))) !== 0;
  }

  /** The set has this hash now. */
  added(hash: number): void {
    if (this.#bits) mark(this.#bits, hash);
    else if (this.#hashes.size >= SET_MIN) this.#build();
  }

  /** The set has lost a hash. */
  removed(): void {
    if (!this.#bits) return;
    this.#removed += 1;
    if (this.#removed > this.#hashes.size) this.#build();
  }

  #build(): void {
    this.#removed = 0;
    this.#bits = this.#hashes.size >= SET_MIN ? new Uint32Array(BITS / 32) : undefined;
    if (this.#bits) for (const hash of this.#hashes.keys()) mark(this.#bits, hash);
  }
}

function mark(bits: Uint32Array, hash: number): void {
  bits[(hash % BITS) >>> 5]! |= 1 << (hash & 31);
}
