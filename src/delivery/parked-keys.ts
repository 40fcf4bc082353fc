/**
 * Keys of one lane whose records wait because one of them is held (`on_record_failure: BLOCK_KEY`).
 * Those that came last stand in the cursor itself, the rest in pages of the sink (`parked-pages.ts`), or of
 * the lane where the target keeps the cursor (`lane-pages.ts`), so that 100,000 keys cost nothing while they
 * only wait. About 150 bytes of memory each.
 */
import type { Place } from "../sinks/sink.ts";
import { HashFilter } from "./hash-filter.ts";
import type { LanePages } from "./lane-pages.ts";
import { type LaneRequest, lastPlace } from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";
import { LowestPlace } from "./lowest-place.ts";
import { packKeys } from "./packed-keys.ts";
import { comparePlaces, laterPlace, placeAfter } from "./place.ts";

/** So many keys of a sink may be parked; when there are more, the sink waits (D5). */
export const PARKED_KEYS_MAX = 100_000;

/** A key whose records wait. */
export interface ParkedKey {
  /** No record of the key from here on is delivered. */
  readonly first: Place;
  /** Whether its records are being delivered again, in order, up to the lane's `next`. */
  readonly isResuming: boolean;
}

interface StoredKey {
  first: Place;
  isResuming: boolean;
  /** Number of the page that holds it; 0 for the cursor itself. */
  page: number;
}

const NOWHERE: Place = { sequence: 0, index: 0 };

/** Parked keys by hash. Two keys of one hash only wait longer than they must. */
export class ParkedKeys {
  /** Pages whose keys have changed since those who keep the pages asked. */
  readonly touched = new Set<number>();
  /** Where the target keeps the cursor: pages that never change, so a key that does leaves its page. */
  kept: LanePages | undefined;
  /** Records of resuming keys below this place are planned. */
  resumed: Place = NOWHERE;
  readonly #keys = new Map<number, StoredKey>();
  /** Those of no page. */
  readonly #fresh = new Set<number>();
  readonly #lowestParked = new LowestPlace(() => this.#firsts(false));
  readonly #lowestResuming = new LowestPlace(() => this.#firsts(true));
  readonly #filter = new HashFilter(this.#keys);
  #resuming = 0;
  #packed: Uint8Array | undefined;

  /** How many there are. */
  get size(): number {
    return this.#keys.size;
  }

  /** How many stand in the cursor itself. */
  get freshCount(): number {
    return this.#fresh.size;
  }

  /** The lowest place that waits; undefined without keys. */
  get lowest(): Place | undefined {
    const [parked, resuming] = [this.#lowestParked.place, this.lowestResuming];
    if (!parked || !resuming) return parked ?? resuming;
    return comparePlaces(parked, resuming) < 0 ? parked : resuming;
  }

  /** The lowest place of the keys that are being delivered again. */
  get lowestResuming(): Place | undefined {
    const { place } = this.#lowestResuming;
    return place && laterPlace(place, this.resumed);
  }

  /** Hashes of all. */
  hashes(): Iterable<number> {
    return this.#keys.keys();
  }

  /** All, with the place from which each waits now. */
  *entries(): Iterable<[number, ParkedKey]> {
    for (const [hash, key] of this.#keys) yield [hash, this.#now(key)];
  }

  /** Those that stand in the cursor itself, as it holds them: packed anew only when they have changed. */
  get packed(): Uint8Array {
    this.#packed ??= packKeys(this.fresh(), this.#fresh.size);
    return this.#packed;
  }

  /** Those that stand in the cursor itself, as they are to be written. */
  *fresh(): Iterable<[number, ParkedKey]> {
    for (const hash of this.#fresh) yield [hash, this.#keys.get(hash)!];
  }

  /** A key as its page is to hold it; undefined when that page is not its own any more. */
  ofPage(hash: number, page: number): ParkedKey | undefined {
    const key = this.#keys.get(hash);
    return key?.page === page ? key : undefined;
  }

  /** A key, with the place from which it waits now. */
  get(hash: number): ParkedKey | undefined {
    const key = this.#keys.get(hash);
    return key && this.#now(key);
  }

  has(hash: number): boolean {
    return this.#keys.has(hash);
  }

  #now({ first, isResuming }: StoredKey): ParkedKey {
    return { first: isResuming ? laterPlace(first, this.resumed) : first, isResuming };
  }

  #firsts = function* (this: ParkedKeys, isResuming: boolean): Iterable<Place> {
    for (const key of this.#keys.values()) if (key.isResuming === isResuming) yield key.first;
  };

  /** Parks a key or replaces it; `page` is the page that it was read from. */
  set(hash: number, { first, isResuming }: ParkedKey, page?: number): void {
    const known = this.#keys.get(hash);
    if (known) this.#leave(known);
    const before = known?.page ?? 0;
    const key = { first, isResuming, page: page ?? (this.kept ? 0 : before) };
    this.#keys.set(hash, key);
    this.#filter.added(hash);
    if (key.page === 0) this.#setFresh(hash, true);
    if (page === undefined && before > 0) this.touched.add(before);
    (isResuming ? this.#lowestResuming : this.#lowestParked).add(first);
    if (isResuming) this.#resuming += 1;
  }

  /** Lets a key go. */
  delete(hash: number): void {
    const key = this.#keys.get(hash);
    if (!key) return;
    this.#leave(key);
    this.#keys.delete(hash);
    this.#filter.removed();
    this.#setFresh(hash, false);
    if (key.page > 0) this.touched.add(key.page);
  }

  #leave({ first, isResuming }: StoredKey): void {
    (isResuming ? this.#lowestResuming : this.#lowestParked).remove(first);
    if (isResuming) this.#resuming -= 1;
  }

  /** Says that a page holds a key from now on; 0 brings it back into the cursor itself. */
  move(hash: number, page: number): void {
    const key = this.#keys.get(hash);
    if (!key) return;
    key.page = page;
    this.#setFresh(hash, page === 0);
  }

  #setFresh(hash: number, isFresh: boolean): void {
    if (isFresh) this.#fresh.add(hash);
    else if (!this.#fresh.delete(hash)) return;
    this.#packed = undefined;
  }

  /** Whether a record must wait. */
  isParked({ keyHash }: LaneRow): boolean {
    if (keyHash === undefined || this.#keys.size === 0) return false;
    if (!this.#filter.mayHave(keyHash)) return false;
    return this.#keys.get(keyHash)?.isResuming === false;
  }

  /** Whether a record below `next` waits to be delivered in the pass of resuming keys. */
  isResuming({ keyHash, place }: LaneRow): boolean {
    if (keyHash === undefined || this.#resuming === 0) return false;
    const key = this.#keys.get(keyHash);
    if (!key?.isResuming || comparePlaces(place, key.first) < 0) return false;
    return comparePlaces(place, this.resumed) >= 0;
  }

  /**
   * Parks the keys of held rows. `waiting` are the records of open requests that are not settled: a key
   * waits from its first one on, else from after `request`.
   */
  park(input: {
    held: readonly LaneRow[];
    request: LaneRequest;
    waiting: Iterable<LaneRow>;
  }): void {
    const firsts = new Map<number, Place>();
    for (const row of input.held) {
      if (row.keyHash !== undefined) firsts.set(row.keyHash, placeAfter(lastPlace(input.request)));
    }
    for (const row of input.waiting) {
      const first = row.keyHash === undefined ? undefined : firsts.get(row.keyHash);
      if (first && comparePlaces(row.place, first) < 0) firsts.set(row.keyHash!, row.place);
    }
    for (const [hash, first] of firsts) {
      const known = this.get(hash);
      const isEarlier = known && comparePlaces(known.first, first) < 0;
      // Of a key that goes on already nothing behind its place was delivered in order.
      this.set(hash, { first: isEarlier ? known.first : first, isResuming: false });
    }
  }

  /** Lets keys go on, together with those that do already: in one pass from the lowest place. */
  resume(hashes: Iterable<number>): number {
    let count = 0;
    if (this.#resuming > 0) this.raise(NOWHERE);
    // The last pass may have ended because all its keys were parked again.
    else this.resumed = NOWHERE;
    for (const hash of hashes) {
      const key = this.#keys.get(hash);
      if (!key) continue;
      this.set(hash, { first: key.first, isResuming: true });
      count += 1;
    }
    return count;
  }

  /** Says that the records of resuming keys up to `last` are planned. */
  advance(last: Place): void {
    if (this.#resuming > 0) this.resumed = laterPlace(this.resumed, placeAfter(last));
  }

  /** Ends the pass: resuming keys are like any other. Gives whether there were some. */
  endResuming(): boolean {
    if (this.#resuming === 0) return false;
    for (const [hash, key] of this.#keys) if (key.isResuming) this.delete(hash);
    this.resumed = NOWHERE;
    return true;
  }

  /** Says that no key waits for anything below a place. */
  raise(floor: Place): void {
    for (const [hash, key] of this.#keys) {
      const first = laterPlace(this.#now(key).first, floor);
      if (comparePlaces(first, key.first) > 0) this.set(hash, { ...key, first });
    }
    this.resumed = NOWHERE;
  }
}
