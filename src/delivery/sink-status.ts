/** What the API says of a sink, made from its state. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Sink_State, type SinkStatusSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { lowestPlace, settledCount } from "./lane-state.ts";
import type { SinkState } from "./sink-state.ts";

/** Fields of a SinkStatus. */
export type SinkStatusInit = MessageInitShape<typeof SinkStatusSchema>;

/** The status of a sink; `state` is undefined as long as no node has run it. */
export function sinkStatus(
  definition: SinkDefinition,
  state: SinkState | undefined,
  nowMs: number,
): SinkStatusInit {
  const startSequence = BigInt(definition.startSequence);
  const endSequence = BigInt(definition.endSequence ?? 0);
  if (!state) {
    return {
      state: definition.isPaused ? Sink_State.PAUSED : Sink_State.PENDING,
      startSequence,
      endSequence,
      settledSequence: startSequence - 1n,
      counts: {},
    };
  }
  const counts = sinkCounts(state);
  const deliveredUs = Math.max(0, ...state.lanes.map((lane) => lane.lastDeliveredUs));
  const firsts = state.lanes.flatMap(({ firstDeliveredUs: us }) => (us > 0 ? [us] : []));
  const isWaiting = counts.pending > 0 && state.oldestArrivalUs > 0;
  const { note } = state;
  return {
    state: definition.isPaused ? Sink_State.PAUSED : (note?.state ?? Sink_State.PENDING),
    cause: note?.cause ?? "",
    reason: note?.reason ?? "",
    ...(note && { since: timestampFromMs(Math.round(note.sinceMs)) }),
    ...(note &&
      note.nextAttemptMs > 0 && {
        nextAttemptTime: timestampFromMs(Math.round(note.nextAttemptMs)),
      }),
    startSequence,
    endSequence,
    settledSequence: BigInt(settledBelow(state) - 1),
    counts: {
      delivered: BigInt(counts.delivered),
      filtered: BigInt(counts.filtered),
      held: BigInt(counts.held),
      discarded: BigInt(counts.discarded),
      expired: BigInt(counts.expired),
      pending: BigInt(counts.pending),
      pushed: BigInt(counts.pushed),
    },
    ...(isWaiting && {
      lag: durationFromMs(Math.max(0, Math.round(nowMs - state.oldestArrivalUs / 1000))),
    }),
    deliveredBytes: BigInt(counts.deliveredBytes),
    ...(firsts.length > 0 && {
      firstDeliveredTime: timestampFromMs(Math.floor(Math.min(...firsts) / 1000)),
    }),
    ...(deliveredUs > 0 && { lastDeliveredTime: timestampFromMs(Math.floor(deliveredUs / 1000)) }),
  };
}

/** The ledger (D3): all but `pending` are counted on their own, and `pushed` where messages arrive. */
export function sinkCounts(state: SinkState) {
  const total = { delivered: 0, filtered: 0, held: 0, discarded: 0, expired: 0, deliveredBytes: 0 };
  let settled = 0;
  for (const lane of state.lanes) {
    const { counts } = lane;
    total.delivered += counts.delivered + counts.replayed;
    total.filtered += counts.filtered;
    total.held += Math.max(0, counts.held - counts.replayed - counts.discarded);
    total.discarded += counts.discarded;
    total.expired += counts.expired;
    total.deliveredBytes += counts.deliveredBytes;
    settled += settledCount(lane);
  }
  // A delivery may be known before the count of what arrived is (after a crash, until it is read).
  const pushed = Math.max(state.pushed, settled);
  return { ...total, pushed, pending: pushed - settled };
}

function settledBelow(state: SinkState): number {
  return Math.min(state.position, ...state.lanes.map((lane) => lowestPlace(lane).sequence));
}
