/** Taking over a sink's cursor: a new epoch is written before anything is read or sent. */
import { type KeyedStore, StaleKeysError } from "../bus/index.ts";
import { cursorKey, decodeSinkState, encodeSinkState, type SinkState } from "./sink-state.ts";

const ATTEMPTS = 5;

/** A claimed cursor. */
export interface ClaimedState {
  readonly state: SinkState;
  /** What the next write must expect. */
  readonly sequence: number;
}

/** The state that is stored; undefined when there is none for this log. */
export async function readSinkState(
  cursors: KeyedStore,
  sink: { readonly uid: string; readonly logUid: string },
): Promise<{
  readonly state: SinkState | undefined;
  readonly sequence: number;
  readonly epoch: number;
}> {
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
    const found = await readSinkState(cursors, { uid: input.sinkUid, logUid: fresh.logUid });
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
      return { state, sequence: sequence! };
    } catch (error) {
      if (!(error instanceof StaleKeysError) || attempt === ATTEMPTS) throw error;
    }
  }
}
