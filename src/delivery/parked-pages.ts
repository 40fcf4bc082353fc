/**
 * Pages of a sink's parked keys, beside its cursor in the same store. A write of the cursor carries the
 * pages that changed in one atomic batch, so the two always fit, and a replaced owner can write neither.
 * The cursor names its pages; a number is never used twice, so what it does not name is a leftover.
 */
import type { KeyedStore } from "../bus/index.ts";
import { fail } from "../core/errors.ts";
import type { LaneState } from "./lane-state.ts";
import { type PagedKey, packPage, unpackPage } from "./packed-keys.ts";

/** Keys that stand in the cursor itself, of all lanes: 16 KiB. */
export const FRESH_KEYS_MAX = 1_024;
/**
 * A page with fewer than this part of them is taken back into the cursor: so 100,000 keys take 400 pages at
 * most, all of which fit into one batch of JetStream.
 */
const PAGE_PART_MIN = 1 / 4;

/** What a cursor says of its pages. */
export interface PageList {
  readonly numbers: readonly number[];
  /** Number of the next page. */
  readonly next: number;
  /** Grows with every write of a page. */
  readonly revision: number;
}

/** Bytes of a page to be written. */
export interface PageWrite {
  readonly key: string;
  readonly value: Uint8Array;
}

type Lanes = readonly Pick<LaneState, "partition" | "parked">[];

/** Key of a page in the store. */
function pageKey(sinkUid: string, page: number): string {
  return `${pagesPrefix(sinkUid)}.${page}`;
}

/** What the keys of all pages of a sink begin with. */
export function pagesPrefix(sinkUid: string): string {
  return `parked.${sinkUid}`;
}

/** The pages of one sink. */
export class ParkedPages {
  /** Partition and hash of the keys that each page had when it was last written, in turn. */
  readonly #members = new Map<number, Uint32Array>();
  #next: number;
  #revision: number;
  /** Changed, and not known to be stored. */
  readonly #changed = new Set<number>();
  /** No longer named by the cursor that is being written. */
  readonly #gone = new Set<number>();

  constructor(list: PageList = { numbers: [], next: 1, revision: 0 }) {
    for (const page of list.numbers) this.#members.set(page, new Uint32Array());
    this.#next = list.next;
    this.#revision = list.revision;
  }

  /** What the cursor is to say. */
  get list(): PageList {
    return { numbers: [...this.#members.keys()], next: this.#next, revision: this.#revision };
  }

  /**
   * The pages that must be written with the cursor as the lanes are now; call it before the cursor is
   * encoded. They are given again until `stored` was called. `freshKeysMax` is how many keys the cursor
   * may hold itself: `FRESH_KEYS_MAX`.
   */
  take(
    { sinkUid, freshKeysMax }: { readonly sinkUid: string; readonly freshKeysMax: number },
    lanes: Lanes,
  ): { writes: PageWrite[]; gone: string[] } {
    for (const { parked } of lanes) {
      for (const page of parked.touched) this.#changed.add(page);
      parked.touched.clear();
    }
    const byPartition = new Map(lanes.map((lane) => [lane.partition, lane.parked]));
    const parkedOf = (partition: number) => byPartition.get(partition);
    const pageKeysMin = Math.min(freshKeysMax, FRESH_KEYS_MAX) * PAGE_PART_MIN;
    for (const page of this.#changed) this.#shrink(page, { pageKeysMin, parkedOf });
    const fresh = lanes.reduce((sum, { parked }) => sum + parked.freshCount, 0);
    if (fresh > freshKeysMax) this.#seal(lanes, { pageKeysMin, freshKeysMax });
    const writes = [...this.#changed].map((page) => {
      const keys = this.#keysOf(page, parkedOf);
      return { key: pageKey(sinkUid, page), value: packPage(keys) };
    });
    if (writes.length + this.#gone.size > 0) this.#revision += 1;
    return { writes, gone: [...this.#gone].map((page) => pageKey(sinkUid, page)) };
  }

  /** What `take` gave is stored, and the cursor with it. */
  stored(): void {
    this.#changed.clear();
    this.#gone.clear();
  }

  /** Drops what has left a page; one that has become small goes back into the cursor. */
  #shrink(
    page: number,
    { pageKeysMin, parkedOf }: { readonly pageKeysMin: number; readonly parkedOf: ParkedOf },
  ): void {
    const keys = this.#members.has(page) ? this.#keysOf(page, parkedOf) : [];
    if (keys.length > 0 && keys.length >= pageKeysMin) {
      this.#members.set(page, membersOf(keys));
      return;
    }
    for (const { partition, hash } of keys) parkedOf(partition)?.move(hash, 0);
    if (this.#members.delete(page)) this.#gone.add(page);
    this.#changed.delete(page);
  }

  /** Makes pages of the keys that stand in the cursor. */
  #seal(
    lanes: Lanes,
    limits: { readonly pageKeysMin: number; readonly freshKeysMax: number },
  ): void {
    const fresh = lanes.flatMap(({ partition, parked }) =>
      [...parked.fresh()].map(([hash, key]) => ({ partition, hash, key, parked })),
    );
    while (fresh.length > 0 && fresh.length >= limits.pageKeysMin) {
      const page = this.#next++;
      const keys = fresh.splice(0, limits.freshKeysMax);
      for (const { parked, hash } of keys) parked.move(hash, page);
      this.#members.set(page, membersOf(keys));
      this.#changed.add(page);
    }
  }

  #keysOf(page: number, parkedOf: ParkedOf): PagedKey[] {
    const members = this.#members.get(page) ?? new Uint32Array();
    const keys: PagedKey[] = [];
    for (let at = 0; at < members.length; at += 2) {
      const [partition, hash] = [members[at]!, members[at + 1]!];
      const key = parkedOf(partition)?.ofPage(hash, page);
      if (key) keys.push({ partition, hash, key });
    }
    return keys;
  }

  /**
   * Reads the pages that the cursor names into its lanes. Fails with LOG_UNAVAILABLE, and with
   * LOG_CORRUPT when one is missing. Gives the keys of leftovers.
   */
  async load(store: Pick<KeyedStore, "list">, sinkUid: string, lanes: Lanes): Promise<string[]> {
    if (this.#members.size === 0) return [];
    const entries = new Map(
      (await store.list(pagesPrefix(sinkUid))).map(({ key, value }) => [key, value]),
    );
    const byPartition = new Map(lanes.map((lane) => [lane.partition, lane.parked]));
    for (const page of this.#members.keys()) {
      const bytes = entries.get(pageKey(sinkUid, page));
      if (!bytes) throw fail("LOG_CORRUPT", `page ${page} of the parked keys of a sink is missing`);
      const keys = unpackPage(bytes);
      for (const { partition, hash, key } of keys) byPartition.get(partition)?.set(hash, key, page);
      this.#members.set(page, membersOf(keys));
      entries.delete(pageKey(sinkUid, page));
    }
    return [...entries.keys()];
  }
}

type ParkedOf = (partition: number) => LaneState["parked"] | undefined;

function membersOf(keys: readonly { readonly partition: number; readonly hash: number }[]) {
  const members = new Uint32Array(keys.length * 2);
  keys.forEach(({ partition, hash }, i) => {
    members[2 * i] = partition;
    members[2 * i + 1] = hash;
  });
  return members;
}
