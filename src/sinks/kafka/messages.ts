/** Messages of a topic, made of rows. */
import type { MessageToProduce } from "@platformatic/kafka";
import { murmur2 } from "../../core/partition.ts";
import type { SinkRow } from "../sink.ts";

/** A message, with the bytes that it counts. */
export interface SizedMessage {
  readonly index: number;
  readonly bytes: number;
  readonly message: MessageToProduce;
}

/** What a message takes beside its key, value and headers, at most (offset and time deltas, lengths). */
const OVERHEAD_BYTES = 40;
const POSITIVE = 0x7fffffff;

/** How messages are made. */
export interface MessageMaker {
  readonly topic: string;
  readonly keyOf: (row: SinkRow) => string | undefined;
  /** Partition of the messages without key, over which the client takes the rest. */
  readonly keylessPartition: number;
}

/** The message of a row. Its partition is that of Kafka's default partitioner, before the rest is taken. */
export function messageOf(row: SinkRow, index: number, maker: MessageMaker): SizedMessage {
  const key = maker.keyOf(row);
  const keyBytes = key === undefined ? undefined : Buffer.from(key);
  const value = Buffer.from(row.json.buffer, row.json.byteOffset, row.json.byteLength);
  const headers = headersOf(row);
  let bytes = value.length + (keyBytes?.length ?? 0) + OVERHEAD_BYTES;
  for (const [name, text] of headers) bytes += name.length + text.length + 4;
  const partition = keyBytes ? murmur2(keyBytes) & POSITIVE : maker.keylessPartition;
  const timestamp = BigInt(Math.floor(row.arrivalTimeUs / 1000));
  const rest = { topic: maker.topic, value, headers, partition, timestamp };
  return { index, bytes, message: keyBytes ? { ...rest, key: keyBytes } : rest };
}

/** Headers that the source kept, and ours, which stand for those of the same name. */
function headersOf({ recordId, producerId, headers = [] }: SinkRow): Map<Buffer, Buffer> {
  const own: [string, string][] = [["tributary-record-id", recordId]];
  if (producerId !== "") own.push(["tributary-producer-id", producerId]);
  const names = new Set(own.map(([name]) => name));
  const kept = headers.flatMap(({ name, value }): [string, string][] =>
    names.has(name) ? [] : [[name, value]],
  );
  return new Map([...kept, ...own].map(([name, value]) => [Buffer.from(name), Buffer.from(value)]));
}

/** The first messages that fit into `bytesMax` together, one at least. */
export function takeChunk(messages: readonly SizedMessage[], bytesMax: number): SizedMessage[] {
  const chunk: SizedMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    bytes += message.bytes;
    if (chunk.length > 0 && bytes > bytesMax) break;
    chunk.push(message);
  }
  return chunk;
}
