import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { PushStreamRequestSchema } from "#gen/tributary/push/v1/push_service_pb.js";
import type { LogAppended } from "../../src/core/log.ts";
import { createIngest } from "../../src/ingest/ingest.ts";
import { fromPushRequest } from "../../src/ingest/push-message.ts";
import { createPushStream } from "../../src/ingest/push-stream.ts";
import { PRINCIPAL, STREAM } from "../server/test-server.ts";
import { memoryDefinitions, streamOf } from "./memory-log.ts";

const caller = { id: "c", authentication: "oauth2", address: "", traceContext: "" };

function rig(bytes: number) {
  const held: (() => void)[] = [];
  const append = () =>
    new Promise<LogAppended>((resolve) => {
      held.push(() => resolve({ places: [{ sequence: 1, index: 0 }], isDuplicate: false }));
    });
  const ingest = createIngest({ ...memoryDefinitions(streamOf()), log: { append } });
  const json = Buffer.from(
    `{"sensor_id":"${"x".repeat(bytes)}","temperature":1,"created_at":"2026-01-01T00:00:00Z"}`,
  );
  let pulled = 0;
  async function* requests() {
    for (; pulled < 3000; ) {
      pulled++;
      yield create(PushStreamRequestSchema, {
        push: { stream: STREAM, records: [{ payload: { case: "json", value: json } }] },
      });
    }
  }
  const aborting = new AbortController();
  const answers = createPushStream(requests(), {
    start: ingest.start,
    principal: PRINCIPAL,
    signal: aborting.signal,
    authorizePush: () => {},
    recheck: () => {},
    toCall: (request) => ({ ...fromPushRequest(request), caller }),
  });
  return { answers, held, aborting, pulled: () => pulled };
}

describe("push streams", () => {
  test.each([
    [1_000_000, 17],
    [10, 1000],
  ])("D5: with requests of %i bytes unanswered, at most %i are read", async (bytes, most) => {
    const { answers, held, aborting, pulled } = rig(bytes);
    const first = answers.next();
    await expect.poll(() => pulled(), { timeout: 10_000 }).toBe(most);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(pulled()).toBe(most);
    held[0]?.();
    expect((await first).value).toMatchObject({ requestIndex: 0n, result: { case: "response" } });
    const second = answers.next();
    await expect.poll(() => pulled()).toBe(most + 1);
    aborting.abort(new Error("gone"));
    for (const release of held) release();
    await second;
    const rest = async () => {
      for await (const _ of answers) for (const release of held) release();
    };
    await expect(rest()).rejects.toThrow("gone");
  });
});
