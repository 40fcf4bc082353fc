import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CallBlockSchema, RecordBatchSchema } from "#gen/tributary/records/v1/record_batch_pb.js";
import type { LogCall, LogMessage, LogPart, LogReader } from "../../src/core/log.ts";
import type { Logger } from "../../src/core/logger.ts";

/** A logger that keeps quiet. */
export const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A log uid from a letter. */
export const logUid = (letter: string) => letter.repeat(20);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An encoded CallBlock with these texts as its records. */
export function part(partition: number, ...records: string[]): LogPart {
  const block = toBinary(
    CallBlockSchema,
    create(CallBlockSchema, {
      arrivalTimeUs: 1_000_000n,
      source: "push",
      count: records.length,
      records: records.map((text) => encoder.encode(text)),
    }),
  );
  return { partition, block, count: records.length };
}

/** A call to log `a` of shard 0, generation 1. */
export function call(parts: readonly LogPart[], more: Partial<LogCall> = {}): LogCall {
  return { shard: 0, logUid: logUid("a"), generation: 1, projectUid: "p", parts, ...more };
}

/** The records of a stored message, as texts. */
export function recordsOf(message: LogMessage): string[] {
  return fromBinary(RecordBatchSchema, message.data).calls.flatMap((block) =>
    block.records.map((record) => decoder.decode(record)),
  );
}

/** Every stored message of a log. */
export async function readAll(
  reader: LogReader,
  log = { shard: 0, uid: logUid("a") },
): Promise<LogMessage[]> {
  const all: LogMessage[] = [];
  for (;;) {
    const page = await reader.read(log, {
      fromSequence: (all.at(-1)?.sequence ?? 0) + 1,
      maxMessages: 500,
      maxBytes: 1024 * 1024,
    });
    if (page.length === 0) return all;
    all.push(...page);
  }
}

/** The record at a place of a log that was read. */
export function recordAt(
  messages: readonly LogMessage[],
  place: { sequence: number; index: number },
): string | undefined {
  const message = messages.find((m) => m.sequence === place.sequence);
  return message && recordsOf(message)[place.index];
}

/** Waits for the error of a promise that must reject. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it should have failed");
    },
    (error: unknown) => error,
  );
}
