import { describe, expect, test } from "vitest";
import { createIngest } from "../../src/ingest/ingest.ts";
import { readPushRequest } from "../../src/ingest/push-body.ts";
import { memoryDefinitions, memoryLog, streamOf } from "./memory-log.ts";

const RECORD = '{"sensor_id":"bar4","temperature":4.132,"created_at":"2026-01-01T00:00:00Z"}';

describe("large calls", () => {
  test("let others have a turn at least every 512 KiB", async () => {
    const stream = streamOf({ keyFields: ["sensor_id"], partitions: 4 });
    const log = memoryLog();
    const ingest = createIngest({ ...memoryDefinitions(stream), log: log.writer });
    const records = Array(99_000).fill(`{"value":${RECORD}}`).join(",");
    const body = Buffer.from(`{"stream":"${stream.name}","records":[${records}]}`);
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    const push = async () => {
      const read = await readPushRequest(body, ingest.streamOf);
      const caller = { id: "c", authentication: "oauth2", address: "", traceContext: "" };
      return ingest.push({ ...read, idempotencyKey: "key", caller });
    };
    setImmediate(count);
    expect((await push()).accepted).toBe(99_000n);
    isDone = true;
    // The scan, and the encoding of blocks that are up to twice as large.
    expect(turns).toBeGreaterThan((body.length * 1.5) / (256 * 1024));
  });
});
