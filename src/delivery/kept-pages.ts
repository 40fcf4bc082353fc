/**
 * The pages of all lanes of a sink whose target keeps the cursor: stored in one atomic batch with our copy of
 * the cursor, so that a replaced owner stores none, and before any request whose cursor names them. A page that
 * no cursor of now names stays until retention has passed where the sink was then: a backup of the target from
 * before that may name it, and none that is older could go on anyway.
 */
import type { KeyedStore } from "../bus/index.ts";
import { fail } from "../core/errors.ts";
import { LanePages } from "./lane-pages.ts";
import type { LaneState } from "./lane-state.ts";
import type { PageWrite } from "./parked-pages.ts";

/** Pages that are kept for backups of a target; the oldest go above it (64 MiB at most). */
const RETIRED_MAX = 4_000;
/** More pages than an owner makes: numbers begin with the owner's epoch. */
const PAGES_OF_EPOCH = 2 ** 24;
const RETIRED_BYTES = 16;

type Lanes = readonly Pick<LaneState, "parked">[];

/** What the keys of the pages of a sink begin with. */
export function keptPrefix(sinkUid: string): string {
  return `kept.${sinkUid}`;
}

const pageKey = (sinkUid: string, page: number) => `${keptPrefix(sinkUid)}.${page}`;
const retiredKey = (sinkUid: string) => `${keptPrefix(sinkUid)}.retired`;

/** Reads the pages that one lane names. Fails with LOG_UNAVAILABLE, and LOG_CORRUPT when one is missing. */
export async function loadLanePages(
  store: Pick<KeyedStore, "get">,
  sinkUid: string,
  { parked }: Pick<LaneState, "parked">,
): Promise<void> {
  await parked.kept?.load(parked, async (page) => {
    const entry = await store.get(pageKey(sinkUid, page));
    if (entry) return entry.value;
    throw fail("LOG_CORRUPT", `page ${page} of the parked keys of a sink is missing`);
  });
}

/** What a cursor is written with. */
export interface KeptInput {
  readonly sinkUid: string;
  readonly epoch: number;
  /** Keys that all lanes may hold in the cursor itself. */
  readonly freshKeysMax: number;
  /** No record above this sequence was delivered. */
  readonly reached: number;
  /** First sequence that retention has left. */
  readonly trimmedBelow: number;
}

/** The pages of one sink. */
export class KeptPages {
  /** Named by the cursor as it was last taken. */
  #named = new Set<number>();
  /** By page: how far the sink was when its last cursor that named it was replaced. */
  readonly #retired = new Map<number, number>();
  /** How many the stored cursor says there are. */
  readonly #retiredCount: number;
  #isRetiredChanged = false;
  #made = 0;
  /** Given by the last `take`. */
  #taken: readonly { readonly pages: LanePages; readonly numbers: readonly number[] }[] = [];
  #gone: string[] = [];

  constructor(retiredCount = 0) {
    this.#retiredCount = retiredCount;
  }

  /** How many pages are kept only for backups. */
  get retiredCount(): number {
    return this.#retired.size || this.#retiredCount;
  }

  /** Reads what the stored cursor names. Fails with LOG_UNAVAILABLE, and LOG_CORRUPT when a page is missing. */
  async load(store: Pick<KeyedStore, "get">, sinkUid: string, lanes: Lanes): Promise<void> {
    for (const lane of lanes) await loadLanePages(store, sinkUid, lane);
    this.#named = namedBy(lanes);
    if (this.#retiredCount === 0) return;
    const entry = await store.get(retiredKey(sinkUid));
    if (!entry) return;
    const { buffer, byteOffset, byteLength } = entry.value;
    const view = new DataView(buffer, byteOffset, byteLength);
    for (let at = 0; at + RETIRED_BYTES <= byteLength; at += RETIRED_BYTES) {
      this.#retired.set(view.getFloat64(at), view.getFloat64(at + 8));
    }
  }

  /** What must be stored with the cursor as it is now, before it is encoded; given again until `stored`. */
  take(input: KeptInput, lanes: Lanes): { writes: PageWrite[]; gone: string[] } {
    const { sinkUid } = input;
    this.#seal(input, lanes);
    this.#retire(input, lanes);
    this.#taken = lanes.flatMap(({ parked: { kept } }) =>
      kept && kept.unsaved.size > 0 ? [{ pages: kept, numbers: [...kept.unsaved.keys()] }] : [],
    );
    const writes = this.#taken.flatMap(({ pages }) =>
      [...pages.unsaved].map(([page, value]) => ({ key: pageKey(sinkUid, page), value })),
    );
    if (this.#isRetiredChanged) {
      writes.push({ key: retiredKey(sinkUid), value: packRetired(this.#retired) });
    }
    return { writes, gone: this.#gone };
  }

  /** What `take` gave is stored, and the cursor with it. */
  stored(): void {
    for (const { pages, numbers } of this.#taken) pages.saved(numbers);
    this.#taken = [];
    this.#gone = [];
    this.#isRetiredChanged = false;
  }

  #seal({ epoch, freshKeysMax }: KeptInput, lanes: Lanes): void {
    const fresh = lanes.reduce((sum, { parked }) => sum + parked.freshCount, 0);
    if (fresh <= freshKeysMax) return;
    const nextNumber = () => epoch * PAGES_OF_EPOCH + ++this.#made;
    for (const { parked } of lanes) {
      // What is left in all lanes is less than half of what may be.
      if (parked.freshCount * 2 * lanes.length < freshKeysMax) continue;
      parked.kept ??= new LanePages();
      parked.kept.seal(parked, nextNumber);
    }
  }

  /** Notes which pages are named no more, and lets those go that no backup can need. */
  #retire({ sinkUid, reached, trimmedBelow }: KeptInput, lanes: Lanes): void {
    const named = namedBy(lanes);
    const { size } = this.#retired;
    let isChanged = false;
    for (const page of this.#named) {
      if (named.has(page)) continue;
      this.#retired.set(page, reached);
      isChanged = true;
    }
    // A target that was restored names again what it had.
    for (const page of named) isChanged = this.#retired.delete(page) || isChanged;
    this.#named = named;
    for (const [page, until] of this.#retired) {
      if (until >= trimmedBelow && this.#retired.size <= RETIRED_MAX) continue;
      this.#retired.delete(page);
      this.#gone.push(pageKey(sinkUid, page));
    }
    if (isChanged || this.#retired.size !== size) this.#isRetiredChanged = true;
  }
}

function namedBy(lanes: Lanes): Set<number> {
  const named = new Set<number>();
  for (const { parked } of lanes) {
    for (const { page } of parked.kept?.refs(parked) ?? []) named.add(page);
  }
  return named;
}

function packRetired(retired: ReadonlyMap<number, number>): Uint8Array {
  const view = new DataView(new ArrayBuffer(retired.size * RETIRED_BYTES));
  let at = 0;
  for (const [page, until] of retired) {
    view.setFloat64(at, page);
    view.setFloat64(at + 8, until);
    at += RETIRED_BYTES;
  }
  return new Uint8Array(view.buffer);
}
