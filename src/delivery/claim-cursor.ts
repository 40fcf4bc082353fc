/** Taking over a sink's cursor: a new epoch is written before anything is read or sent. */
import { type KeyedStore, StaleKeysError } from "../bus/index.ts";
import { fail } from "../core/errors.ts";
import { cursorKey, decodeSinkState, encodeSinkState, type SinkState } from "./sink-state.ts";

const ATTEMPTS = 5;

/** A claimed cursor. */
export interface ClaimedState {
  readonly state: SinkState;
  /** What the next write must expect. */
  readonly sequence: number;
}

/** Readings of a cursor whose pages were written meanwhile. */
const READINGS = 20;

/** What is stored of a sink. */
export interface StoredState {
  /** Undefined when there is none for this log. */
  readonly state: SinkState | undefined;
  readonly sequence: number;
  readonly epoch: number;
}

/**
 * The state that is stored, its parked keys included. Fails with LOG_UNAVAILABLE, also when its owner
 * writes pages of parked keys faster than they can be read.
 */
export async function readSinkState(
  cursors: KeyedStore,
  sink: { readonly uid: string; readonly logUid: string },
): Promise<StoredState> {
  let found = await readCursor(cursors, sink);
  for (let reading = 1; reading <= READINGS; reading++) {
    const { state } = found;
    if (!state || pagesOf(state) === "") return found;
    const fault = await loadPages(cursors, sink.uid, state).then(
      () => undefined,
      (error: unknown) => error,
    );
    const again = await readCursor(cursors, sink);
    if (again.state && pagesOf(again.state) === pagesOf(state)) {
      if (fault) throw fault;
      return found;
    }
    found = again;
  }
  throw fail("LOG_UNAVAILABLE", "the parked keys of the sink change too fast to be read");
}

/** Names the pages of a state as they were stored with it; empty when it has none. */
function pagesOf({ pages, lanes }: SinkState): string {
  const { numbers, revision } = pages.list;
  const kept = lanes.flatMap(({ parked }) => [...(parked.kept?.numbers ?? [])]);
  return numbers.length + kept.length === 0 ? "" : `${revision}/${kept.join()}`;
}

/** Reads the parked keys that a cursor leaves to pages; gives the keys of pages that no cursor names. */
async function loadPages(
  cursors: KeyedStore,
  sinkUid: string,
  state: SinkState,
): Promise<string[]> {
  await state.keptPages.load(cursors, sinkUid, state.lanes);
  return await state.pages.load(cursors, sinkUid, state.lanes);
}

/** What stands in the cursor itself. */
async function readCursor(
  cursors: KeyedStore,
  sink: { readonly uid: string; readonly logUid: string },
): Promise<StoredState> {
  const entry = await cursors.get(cursorKey(sink.uid));
  if (!entry) return { state: undefined, sequence: 0, epoch: 0 };
  const state = decodeSinkState(entry.value);
  const isOurs = state.logUid === sink.logUid;
  return { state: isOurs ? state : undefined, sequence: entry.sequence, epoch: state.epoch };
}

/**
 * Writes epoch = max(known, `epochAbove`) + 1 and our name, expecting the sequence that was read: so of
 * two owners that claim at once one fails and reads again. `fresh` is the state of a new sink.
 */
export async function claimCursor(
  cursors: KeyedStore,
  fresh: SinkState,
  input: { readonly sinkUid: string; readonly epochAbove: number },
): Promise<ClaimedState> {
  for (let attempt = 1; ; attempt++) {
    const found = await readCursor(cursors, { uid: input.sinkUid, logUid: fresh.logUid });
    const state: SinkState = {
      ...(found.state ?? fresh),
      epoch: Math.max(found.epoch, input.epochAbove) + 1,
      owner: fresh.owner,
    };
    try {
      const [sequence] = await cursors.writeMany([
        {
          key: cursorKey(input.sinkUid),
          value: encodeSinkState(state),
          expectedSequence: found.sequence,
        },
      ]);
      // From now on no other owner can write the pages.
      const leftovers = await loadPages(cursors, input.sinkUid, state);
      await cursors.deleteMany(leftovers);
      return { state, sequence: sequence! };
    } catch (error) {
      if (!(error instanceof StaleKeysError) || attempt === ATTEMPTS) throw error;
    }
  }
}
