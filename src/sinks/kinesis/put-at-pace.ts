/** Puts what is left of a request as many at once as their shards take; no shard waits for another. */
import { TRIES_MAX } from "../aws/backoff.ts";
import { isThrottle } from "../aws/fault.ts";
import {
  type IndexedRecord,
  type RecordFault,
  recordsOf,
  settlePut,
  toPutFault,
} from "../aws/put-many.ts";
import type { RowProgress } from "../progress.ts";
import type { SinkRequest } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import type { PutAnswer, StreamClient } from "./client.ts";
import { type Pace, waitForShards } from "./pace.ts";
import { KINESIS_LIMITS } from "./put-in-order.ts";
import type { Shards } from "./shards.ts";

/** What is put, and where. */
interface Putting {
  readonly client: StreamClient;
  readonly shards: Shards;
  readonly progress: RowProgress;
  readonly request: SinkRequest;
  readonly signal: AbortSignal;
}

/** Refusals in a row, of each shard that stored nothing since. */
type Tries = Map<Pace, number>;

/**
 * Puts all. Throws SinkFault when some are still not stored after several tries, once what other shards
 * take is stored.
 */
export async function putAtPace(putting: Putting): Promise<void> {
  const { client, shards, progress, request, signal } = putting;
  const tries: Tries = new Map();
  let gaveUp: RecordFault;
  let pending = recordsOf(progress, request, KINESIS_LIMITS);
  while (pending.length > 0) {
    await shards.look(signal);
    const { call, paces, waitMs } = chooseCall(pending, shards, tries);
    if (call.length === 0) {
      if (waitMs === undefined) throw toPutFault(gaveUp!);
      await waitForShards(waitMs, signal);
      continue;
    }
    const answers = await putCall(client, call, signal).finally(() => {
      paces.forEach((pace, i) => void pace.answered(call[i]!.size));
    });
    const faults = answers.map(({ fault }) => fault);
    const fault = settlePut(progress, call, faults);
    if (fault && !isThrottle(fault.code)) throw toPutFault(fault);
    gaveUp = fault ?? gaveUp;
    noteRefusals(paces, answers, tries);
    call.forEach(({ partitionKey }, i) => {
      const { shardId } = answers[i]!;
      if (shardId) shards.seen(partitionKey, shardId);
    });
    pending = pending.filter(({ index }) => progress[index] === undefined);
  }
}

/** What came of each record of a call; a call that is throttled as a whole is a refusal of all of them. */
async function putCall(
  client: StreamClient,
  call: readonly IndexedRecord[],
  signal: AbortSignal,
): Promise<readonly PutAnswer[]> {
  try {
    return await client.putAll(call, signal);
  } catch (error) {
    if (!(error instanceof SinkFault) || error.reason !== "THROTTLED") throw error;
    const fault = { code: "ProvisionedThroughputExceededException", message: error.message };
    return call.map(() => ({ fault, shardId: undefined }));
  }
}

/**
 * The next records that their shards take now, in order: behind one that waits no other of its shard goes.
 * Without any: how long to wait, undefined when all shards that are left have refused too often.
 */
function chooseCall(pending: readonly IndexedRecord[], shards: Shards, tries: Tries) {
  const { recordsMax, callBytesMax } = KINESIS_LIMITS;
  const call: IndexedRecord[] = [];
  const paces: Pace[] = [];
  const waiting = new Set<Pace>();
  let bytes = 0;
  let waitMs: number | undefined;
  for (const record of pending) {
    if (call.length === recordsMax || bytes + record.size > callBytesMax) break;
    const pace = shards.paceOf(record.partitionKey);
    if (waiting.has(pace)) continue;
    if ((tries.get(pace) ?? 0) <= TRIES_MAX && pace.take(record.size)) {
      call.push(record);
      paces.push(pace);
      bytes += record.size;
      continue;
    }
    waiting.add(pace);
    if ((tries.get(pace) ?? 0) > TRIES_MAX) continue;
    waitMs = Math.min(waitMs ?? Number.POSITIVE_INFINITY, pace.waitMs());
  }
  return { call, paces, waitMs };
}

function noteRefusals(paces: readonly Pace[], answers: readonly PutAnswer[], tries: Tries): void {
  const stored = new Set<Pace>();
  const refused = new Set<Pace>();
  paces.forEach((pace, i) => {
    (answers[i]!.fault ? refused : stored).add(pace);
  });
  for (const pace of stored) tries.delete(pace);
  for (const pace of refused) {
    const inRow = (tries.get(pace) ?? 0) + 1;
    tries.set(pace, inRow);
    pace.refuse(inRow);
  }
}
