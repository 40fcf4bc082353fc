/** Publishes what is left of a request: keys side by side, each record of a key behind the one before. */
import { orderingName } from "../ordering-name.ts";
import type { RowProgress } from "../progress.ts";
import type { SinkRequest, SinkRow } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import type { NatsClient, OutgoingMessage } from "./connection.ts";
import { outcomeOfAnswer } from "./fault.ts";
import { KEY_NAME, SUBJECT_BYTES_MAX, type SubjectTemplate, subjectOf } from "./subject.ts";

/** Messages that wait for their answer at once. */
const IN_FLIGHT_MAX = 256;
/** Bytes that headers take beside their values. */
const HEADER_BYTES = 128;

/** What is published, and where. */
export interface Publishing {
  readonly client: NatsClient;
  readonly request: SinkRequest;
  readonly template: SubjectTemplate;
  readonly sinkUid: string;
  readonly isAtMostOnce: boolean;
  readonly keyOf: (row: SinkRow) => string | undefined;
  readonly signal: AbortSignal;
}

/** Notes what came of each row. Rejects with SinkFault when some may be tried again. */
export async function publishRows(progress: RowProgress, input: Publishing): Promise<void> {
  const { client, request, isAtMostOnce } = input;
  const messages = new Map<number, OutgoingMessage>();
  for (const [index, row] of request.rows.entries()) {
    if (progress[index] !== undefined) continue;
    const message = messageOf(row, input);
    const fault = messageFault(message, client.payloadMax);
    if (fault) progress[index] = { kind: "reject", reason: "TOO_LARGE", why: fault };
    else messages.set(index, message);
  }
  if (!isAtMostOnce) return await confirmAll(progress, messages, input);
  await client.send([...messages.values()]);
  for (const index of messages.keys()) progress[index] = { kind: "delivered" };
}

async function confirmAll(
  progress: RowProgress,
  messages: ReadonlyMap<number, OutgoingMessage>,
  { client, request, signal }: Publishing,
): Promise<void> {
  const lines = linesOf(request, [...messages.keys()]).values();
  const failed: SinkFault[] = [];
  const work = async () => {
    for (const line of lines) {
      for (const index of line) {
        if (failed.length > 0 || signal.aborted) return;
        try {
          const outcome = outcomeOfAnswer(await client.publish(messages.get(index)!));
          if (outcome instanceof SinkFault) throw outcome;
          progress[index] = outcome;
        } catch (error) {
          failed.push(error as SinkFault);
        }
      }
    }
  };
  // They share one iterator, so each line is taken once.
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, work));
  if (failed[0]) throw failed[0];
}

/** Indexes of the rows that must follow each other. */
function linesOf({ rows, partition }: SinkRequest, indexes: readonly number[]): number[][] {
  const lines = new Map<string | number, number[]>();
  for (const index of indexes) {
    const row = rows[index]!;
    const name = row.keyHash === undefined ? index : orderingName(row, partition);
    const line = lines.get(name);
    if (line) line.push(index);
    else lines.set(name, [index]);
  }
  return [...lines.values()];
}

function messageOf(row: SinkRow, { request, template, sinkUid, keyOf }: Publishing) {
  const key = keyOf(row);
  if (key === undefined && template.names.includes(KEY_NAME)) {
    throw new SinkFault("KEY_MISSING", "the subject names {key}, and the stream has no key fields");
  }
  // Two sinks may deliver one record to one stream; what is replayed is wanted again.
  const replay = request.isReplay ? `.${request.id}` : "";
  const headers = {
    "Nats-Msg-Id": `${row.recordId}.${sinkUid}${replay}`,
    "Tributary-Record-Id": row.recordId,
    ...(row.producerId !== "" && { "Tributary-Producer-Id": encodeURIComponent(row.producerId) }),
  };
  return { subject: subjectOf(template, row, key ?? ""), data: row.json, headers };
}

function messageFault({ subject, data, headers }: OutgoingMessage, payloadMax: number) {
  if (subject.length > SUBJECT_BYTES_MAX) {
    return `its subject would have ${subject.length} bytes: at most ${SUBJECT_BYTES_MAX} are sent`;
  }
  const extra = Object.values(headers).reduce((sum, value) => sum + value.length, HEADER_BYTES);
  if (data.byteLength + extra <= payloadMax) return undefined;
  return `the record has ${data.byteLength} bytes: with headers the server takes ${payloadMax} a message`;
}
