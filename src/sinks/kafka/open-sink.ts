import type { Producer } from "@platformatic/kafka";
import type { KafkaSink } from "#gen/tributary/management/v1/sink_pb.js";
import { createProgress, type RowProgress } from "../progress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink, SinkFault, timeoutFault } from "../sink-fault.ts";
import { createTurns } from "../turns.ts";
import { closeClient, createProducer } from "./client.ts";
import { isTooLarge, refusalOf, retryKafka, toKafkaFault } from "./fault.ts";
import { messageOf, type SizedMessage, takeChunk } from "./messages.ts";

/** Producers of one sink: partitions of the stream share them, each sends one request at a time. */
const PRODUCERS_MAX = 4;
/** Bytes of one produce request, below the 1 MiB that brokers take when nobody has changed it. */
const CHUNK_BYTES = 900_000;
/** Where a broker takes even less, chunks become no smaller than this. */
const CHUNK_BYTES_MIN = 16_384;

/** Opens a topic for delivery; brokers are connected to by the first request. */
export async function openKafka(config: KafkaSink, env: SinkEnvironment): Promise<OpenSink> {
  const progress = createProgress();
  const inTurn = createTurns();
  const producers = createProducers(config, env);
  const limit = { bytes: CHUNK_BYTES };
  let keyless = 0;
  const write = async (request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome> => {
    if (signal.aborted) return retrySink("TIMEOUT", "nothing was sent in the time of one attempt");
    const outcomes = progress.of(request);
    const maker = {
      topic: config.topic,
      keyOf: (row: SinkRequest["rows"][number]) => env.keyOf?.(row, request.generation),
      keylessPartition: keyless++,
    };
    const slot = request.partition % PRODUCERS_MAX;
    try {
      const messages = request.rows.flatMap((row, index) =>
        outcomes[index] === undefined ? [messageOf(row, index, maker)] : [],
      );
      const producer = await producers.get(slot);
      await untilAborted(sendAll(outcomes, { producer, messages, limit, signal }), signal);
    } catch (error) {
      // What was on its way may still arrive: another producer begins with sequences of its own.
      await producers.drop(slot);
      return retryKafka(toKafkaFault(error, "producing"));
    }
    progress.end(request);
    return { kind: "rows", outcomes: outcomes.map((outcome) => outcome!) };
  };
  return {
    write: (request, signal) =>
      inTurn(`${request.partition % PRODUCERS_MAX}`, () => write(request, signal)),
    close: () => producers.close(),
  };
}

interface Sending {
  readonly producer: Producer;
  readonly messages: readonly SizedMessage[];
  /** Lowered when brokers take less than is sent. */
  readonly limit: { bytes: number };
  readonly signal: AbortSignal;
}

/** Sends chunk by chunk, in order. Rejects with what the client throws. */
async function sendAll(
  outcomes: RowProgress,
  { producer, messages, limit, signal }: Sending,
): Promise<void> {
  let rest = messages;
  let most = Number.POSITIVE_INFINITY;
  while (rest.length > 0) {
    if (signal.aborted) throw timeoutFault("producing");
    const chunk = takeChunk(rest, limit.bytes).slice(0, most);
    try {
      await producer.send({ messages: chunk.map(({ message }) => message) });
    } catch (error) {
      const refusal = isTooLarge(error) ? "TOO_LARGE" : refusalOf(error);
      if (refusal === undefined) throw error;
      // One of them is at fault, or all together are too much.
      if (chunk.length > 1) {
        most = Math.ceil(chunk.length / 2);
        if (refusal === "TOO_LARGE") limit.bytes = Math.max(limit.bytes / 2, CHUNK_BYTES_MIN);
        continue;
      }
      outcomes[chunk[0]!.index] = rejected(refusal, chunk[0]!);
      rest = rest.slice(1);
      most = Number.POSITIVE_INFINITY;
      continue;
    }
    for (const { index } of chunk) outcomes[index] = { kind: "delivered" };
    rest = rest.slice(chunk.length);
  }
}

function rejected(refusal: string, { bytes }: SizedMessage) {
  const why =
    refusal === "TOO_LARGE"
      ? `a message of ${bytes} bytes is more than the topic takes (max.message.bytes)`
      : `the brokers answered ${refusal}`;
  return { kind: "reject", reason: refusal === "TOO_LARGE" ? refusal : "REFUSED", why } as const;
}

function createProducers(config: KafkaSink, env: SinkEnvironment) {
  const open = new Map<number, Promise<Producer>>();
  let isClosed = false;
  const drop = async (slot: number): Promise<void> => {
    const producer = await open.get(slot)?.catch(() => undefined);
    open.delete(slot);
    if (producer) await closeClient(producer);
  };
  return {
    async get(slot: number): Promise<Producer> {
      if (isClosed) throw new SinkFault("CLOSED", "the sink is closed");
      const known = open.get(slot) ?? createProducer(config, env);
      open.set(slot, known);
      return await known;
    },
    drop,
    async close() {
      isClosed = true;
      await Promise.all([...open.keys()].map(drop));
    },
  };
}

async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const stop = () => aborted.reject(timeoutFault("producing"));
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    work.catch(() => undefined);
    signal.removeEventListener("abort", stop);
  }
}
