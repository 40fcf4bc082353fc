/** Sends what is left of a request, batch by batch; a group never overtakes a failure of its own. */

import { describeAws, isDenied, isThrottle, reject } from "../aws/fault.ts";
import type { RowProgress } from "../progress.ts";
import type { SinkRow } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import type { EntryFault, QueueClient } from "./client.ts";
import { bodyOf, type Message, messageId, type Packing, packRows } from "./messages.ts";

/** Entries of one SendMessageBatch. */
const ENTRIES_MAX = 10;
/** Sum of the messages of one batch that every queue takes; larger where a message may be larger. */
const BATCH_BYTES_MIN = 256 * 1024;

/** What is sent, and where. */
export interface Sending {
  readonly client: QueueClient;
  readonly rows: readonly SinkRow[];
  readonly packing: Packing;
  readonly signal: AbortSignal;
}

/**
 * Sends the rows without an outcome and notes what came of them. Gives the first fault of an entry that
 * is to be repeated; throws SinkFault when a whole call failed.
 */
export async function sendRows(
  progress: RowProgress,
  { client, rows, packing, signal }: Sending,
): Promise<SinkFault | undefined> {
  const left = [...rows.keys()].filter((index) => progress[index] === undefined);
  const { messages, tooLarge } = packRows(rows, left, packing);
  for (const index of tooLarge) progress[index] = tooLargeOutcome(rows[index]!, packing);
  const blocked = new Set<string>();
  let pending = messages;
  let fault: SinkFault | undefined;
  while (pending.length > 0) {
    const batch = chooseBatch(pending, packing.limit, blocked);
    if (batch.length === 0) break;
    const outgoing = batch.map((message) => {
      const own = message.indexes.map((index) => rows[index]!);
      return { id: messageId(own), body: bodyOf(own, packing), group: message.group };
    });
    const failed = await client.send(outgoing, signal);
    const faults = new Map(failed.map((entry) => [batch[entry.index], entry]));
    const next: Message[] = [];
    for (const message of pending) {
      if (!batch.includes(message)) next.push(message);
      else if (!faults.has(message)) {
        for (const index of message.indexes) progress[index] = { kind: "delivered" };
      } else {
        const entry = faults.get(message)!;
        if (isRefused(entry)) next.push(...refuse(message, entry, progress, { rows, packing }));
        else {
          fault ??= toFault(entry);
          if (message.group !== undefined) blocked.add(message.group);
        }
      }
    }
    pending = next;
  }
  return fault;
}

/** The next batch, in order: in a FIFO queue one message of each group, for one of two may fail. */
function chooseBatch(
  pending: readonly Message[],
  limit: number,
  blocked: ReadonlySet<string>,
): Message[] {
  const bytesMax = Math.max(limit, BATCH_BYTES_MIN);
  const batch: Message[] = [];
  const groups = new Set(blocked);
  let bytes = 0;
  for (const message of pending) {
    if (message.group !== undefined) {
      if (groups.has(message.group)) continue;
      groups.add(message.group);
    }
    if (batch.length === ENTRIES_MAX || bytes + message.size > bytesMax) break;
    batch.push(message);
    bytes += message.size;
  }
  return batch;
}

/** Whether the queue will never take the message as it is. */
function isRefused({ code, isSenderFault }: EntryFault): boolean {
  return isSenderFault && !isThrottle(code) && !isDenied(code);
}

/** A refused message is taken apart, so that only the row at fault is held. */
function refuse(
  { indexes, group }: Message,
  { code, message }: EntryFault,
  progress: RowProgress,
  { rows, packing }: Pick<Sending, "rows" | "packing">,
): Message[] {
  if (indexes.length === 1) {
    progress[indexes[0]!] = reject(
      "REFUSED",
      `the queue refused it: ${describeAws(code, message)}`,
    );
    return [];
  }
  return indexes
    .flatMap((index) => packRows(rows, [index], packing).messages)
    .map((one) => ({
      ...one,
      group,
    }));
}

function toFault({ code, message }: EntryFault): SinkFault {
  const reason = isThrottle(code) ? "THROTTLED" : isDenied(code) ? "ACCESS_DENIED" : "AWS_ERROR";
  return new SinkFault(reason, `the queue did not take a message: ${describeAws(code, message)}`);
}

function tooLargeOutcome(row: SinkRow, { limit, isBase64 }: Packing) {
  const encoded = isBase64 ? ", and Base64 makes it a third larger" : "";
  return reject(
    "TOO_LARGE",
    `the record has ${row.json.byteLength} bytes${encoded}: a message of this queue may have ${limit}`,
  );
}
