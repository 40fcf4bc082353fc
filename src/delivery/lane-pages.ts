/**
 * Pages of one lane's parked keys where the target keeps the cursor. A page never changes: a cursor names its
 * pages and says which of their keys have left, so one that comes back with a backup of its target still finds
 * what it names (B21). A key stands in one page or in the cursor itself, never in both.
 */
import { packKeys, unpackKeys } from "./packed-keys.ts";
import type { ParkedKeys } from "./parked-keys.ts";

/** Most keys of a page: 16 KiB. */
const PAGE_KEYS_MAX = 1_024;
/** Pages with fewer keys are taken together with others, of the same order of size: 100,000 keys take about 400. */
const PAGE_KEYS_MIN = 256;

/** A page as a cursor names it. */
export interface PageRef {
  /** Number of the page; none is used twice for a sink. */
  readonly page: number;
  /** One bit for each key of the page, the lowest first: those set have left. Empty when none has. */
  readonly gone: Uint8Array;
}

interface Page {
  /** Hashes of its keys in turn; undefined until it is loaded. */
  readonly hashes: Uint32Array | undefined;
  gone: Uint8Array;
  live: number;
}

/** The pages of one lane. */
export class LanePages {
  readonly #pages = new Map<number, Page>();
  /** Made, and not known to be stored. */
  readonly #unsaved = new Map<number, Uint8Array>();

  constructor(refs: readonly PageRef[] = []) {
    for (const { page, gone } of refs) this.#pages.set(page, { hashes: undefined, gone, live: 0 });
  }

  /** Numbers of the pages as of the last `refs`. */
  get numbers(): Iterable<number> {
    return this.#pages.keys();
  }

  /** Bytes of the pages that must be stored before a cursor names them. */
  get unsaved(): ReadonlyMap<number, Uint8Array> {
    return this.#unsaved;
  }

  /** These are stored. */
  saved(pages: Iterable<number>): void {
    for (const page of pages) this.#unsaved.delete(page);
  }

  /** What a cursor is to say of them now. Pages without a key are no more. */
  refs(parked: ParkedKeys): PageRef[] {
    for (const number of parked.touched) {
      const page = this.#pages.get(number);
      if (page?.hashes) judge(page, page.hashes, { number, parked });
      if (page?.live === 0) this.#drop(number);
    }
    parked.touched.clear();
    return [...this.#pages].map(([page, { gone }]) => ({ page, gone }));
  }

  #drop(number: number): void {
    this.#pages.delete(number);
    this.#unsaved.delete(number);
  }

  /** Makes pages of the keys that stand in the cursor itself, and of those of pages that have become small. */
  seal(parked: ParkedKeys, nextNumber: () => number): void {
    this.refs(parked);
    const min = Math.min(PAGE_KEYS_MIN, Math.ceil(parked.freshCount / 4));
    const small = [...this.#pages].filter(([, { live }]) => live < PAGE_KEYS_MIN);
    for (const [number, { hashes, live }] of small.sort(([, a], [, b]) => a.live - b.live)) {
      if (!hashes || live > 2 * parked.freshCount) continue;
      for (const hash of hashes) if (parked.ofPage(hash, number)) parked.move(hash, 0);
      this.#drop(number);
    }
    const fresh = [...parked.fresh()];
    for (let at = 0; at < fresh.length; at += PAGE_KEYS_MAX) {
      const keys = fresh.slice(at, at + PAGE_KEYS_MAX);
      if (keys.length < min) return;
      const number = nextNumber();
      for (const [hash] of keys) parked.move(hash, number);
      const hashes = Uint32Array.from(keys, ([hash]) => hash);
      this.#pages.set(number, { hashes, gone: new Uint8Array(), live: keys.length });
      this.#unsaved.set(number, packKeys(keys, keys.length));
    }
  }

  /**
   * Reads the keys of all pages. `read` gives the bytes of a page; what it fails with is passed on. Throws a
   * RangeError for bytes that are no page.
   */
  async load(parked: ParkedKeys, read: (page: number) => Promise<Uint8Array>): Promise<void> {
    const loading = [...this.#pages].map(async ([number, { gone }]) => {
      const keys = [...unpackKeys(await read(number))];
      return { number, gone, keys };
    });
    for (const { number, gone, keys } of await Promise.all(loading)) {
      let live = 0;
      for (const [i, [hash, key]] of keys.entries()) {
        if (isSet(gone, i)) continue;
        parked.set(hash, key, number);
        live += 1;
      }
      const hashes = Uint32Array.from(keys, ([hash]) => hash);
      this.#pages.set(number, { hashes, gone, live });
    }
  }
}

/** Looks which keys of a page have left it. */
function judge(
  page: Page,
  hashes: Uint32Array,
  { number, parked }: { readonly number: number; readonly parked: ParkedKeys },
): void {
  page.live = 0;
  // A cursor that is being written may hold the old one.
  page.gone = new Uint8Array(Math.ceil(hashes.length / 8));
  hashes.forEach((hash, i) => {
    if (parked.ofPage(hash, number)) page.live += 1;
    else page.gone[i >> 3]! |= 1 << (i & 7);
  });
}

function isSet(bits: Uint8Array, i: number): boolean {
  return ((bits[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
}
