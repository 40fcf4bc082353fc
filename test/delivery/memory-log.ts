import { create, toBinary } from "@bufbuild/protobuf";
import { RecordBatchSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import type { ShardFollower, ShardListener } from "../../src/bus/index.ts";
import type { LogMessage, LogReader } from "../../src/core/log.ts";

export interface TestRecord {
  readonly key?: number;
  readonly value: unknown;
}

/** One shard in memory: a log reader and followers of which the first is the owner. */
export class MemoryShard {
  readonly messages: LogMessage[] = [];
  readonly reads: number[] = [];
  #followers: { listener: ShardListener; isOwner: boolean }[] = [];
  #sequence = 0;
  identity = "2026-01-01T00:00:00Z";

  append(
    logUid: string,
    records: readonly TestRecord[],
    { partition = 0, generation = 1 }: { partition?: number; generation?: number } = {},
  ): number {
    const hasKeys = records.some((r) => r.key !== undefined);
    const data = toBinary(
      RecordBatchSchema,
      create(RecordBatchSchema, {
        format: 1,
        compression: 1,
        calls: [
          {
            arrivalTimeUs: BigInt(Date.now()) * 1000n,
            count: records.length,
            records: records.map((r) => new TextEncoder().encode(JSON.stringify(r.value))),
            keyHashes: hasKeys ? records.map((r) => r.key ?? 0) : [],
          },
        ],
      }),
    );
    return this.appendData(logUid, data, { partition, generation });
  }

  appendData(
    logUid: string,
    data: Uint8Array,
    { partition = 0, generation = 1 }: { partition?: number; generation?: number } = {},
  ): number {
    this.#sequence += 1;
    const sequence = this.#sequence;
    const message = { sequence, logUid, generation, partition, timeMs: Date.now(), data };
    this.messages.push(message);
    for (const f of this.#followers) if (f.isOwner) f.listener.onMessage(message);
    return sequence;
  }

  /** Loses the end of the shard, whose sequences are given again. */
  cutOff(upTo: number): void {
    const kept = this.messages.filter((m) => m.sequence <= upTo);
    this.messages.splice(0, this.messages.length, ...kept);
    this.#sequence = upTo;
  }

  /** Removes messages of a log up to a sequence, as retention does. */
  trim(logUid: string, upTo: number): void {
    const kept = this.messages.filter((m) => m.logUid !== logUid || m.sequence > upTo);
    this.messages.splice(0, this.messages.length, ...kept);
  }

  /** The first follower owns the shard. */
  follow = async (_shard: number, listener: ShardListener): Promise<ShardFollower> => {
    const follower = { listener, isOwner: false };
    this.#followers.push(follower);
    setImmediate(() => this.#elect());
    return {
      isOwner: () => follower.isOwner,
      close: async () => {
        follower.isOwner = false;
        this.#followers = this.#followers.filter((f) => f !== follower);
        this.#elect();
      },
    };
  };

  /** Makes the next follower the owner although the first one does not know (a zombie). */
  stealOwnership(): void {
    const [first, second] = this.#followers;
    if (!first || !second) throw new Error("two followers are needed");
    first.isOwner = false;
    second.isOwner = true;
    second.listener.onOwner({ edgeSequence: this.#sequence });
  }

  /** Takes the shard from its owner, who learns of it, and gives it to the next follower, or to the same again. */
  loseOwnership(): void {
    const owner = this.#followers.find((follower) => follower.isOwner);
    if (!owner) throw new Error("nobody owns the shard");
    owner.isOwner = false;
    this.#followers = [...this.#followers.filter((follower) => follower !== owner), owner];
    owner.listener.onLost();
    setImmediate(() => this.#elect());
  }

  #elect(): void {
    const [first] = this.#followers;
    if (!first || this.#followers.some((f) => f.isOwner)) return;
    first.isOwner = true;
    first.listener.onOwner({ edgeSequence: this.#sequence });
  }

  get reader(): LogReader {
    return {
      read: async (log, { fromSequence, maxMessages, maxBytes }) => {
        this.reads.push(fromSequence);
        await new Promise(setImmediate);
        const found: LogMessage[] = [];
        let bytes = 0;
        for (let i = this.#indexOf(fromSequence); i < this.messages.length; i++) {
          const message = this.messages[i]!;
          if (message.logUid !== log.uid) continue;
          found.push(message);
          bytes += message.data.length;
          if (found.length >= maxMessages || bytes >= maxBytes) break;
        }
        return found;
      },
      info: async (log) => {
        await new Promise(setImmediate);
        const own = this.messages.filter((m) => m.logUid === log.uid);
        return {
          firstSequence: own[0]?.sequence ?? this.#sequence + 1,
          lastSequence: own.at(-1)?.sequence ?? 0,
          shardLastSequence: this.#sequence,
          identity: this.identity,
          messages: own.length,
          bytes: own.reduce((sum, m) => sum + m.data.length, 0),
        };
      },
      sequenceAt: async () => 1,
    };
  }

  #indexOf(sequence: number): number {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle]!.sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
