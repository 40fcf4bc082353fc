/** Messages of a Kafka topic, read by the client that the sink writes with too. */
import { Consumer, stringDeserializers } from "@platformatic/kafka";

/** A message that arrived. */
export interface TopicMessage {
  readonly partition: number;
  readonly key: string | undefined;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestampMs: number;
}

let groups = 0;

/** All messages of a topic that are there now, by partition and in order. */
export async function readTopic(address: string, topic: string): Promise<TopicMessage[]> {
  const consumer = new Consumer({
    clientId: "reader",
    groupId: `reader-${process.pid}-${groups++}`,
    bootstrapBrokers: [address],
    deserializers: stringDeserializers,
  });
  try {
    const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic) ?? [];
    const left = new Set(ends.flatMap((end, partition) => (end > 0n ? [partition] : [])));
    if (left.size === 0) return [];
    const found: TopicMessage[] = [];
    const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: false });
    for await (const message of stream) {
      const { partition, key, value, headers, timestamp, offset } = message;
      found.push({
        partition,
        key: key || undefined,
        value,
        headers: Object.fromEntries(headers),
        timestampMs: Number(timestamp),
      });
      if (offset >= ends[partition]! - 1n) left.delete(partition);
      if (left.size === 0) break;
    }
    return found.sort((a, b) => a.partition - b.partition);
  } finally {
    await consumer.close(true);
  }
}
