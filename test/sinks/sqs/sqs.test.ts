import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type AwsAccessSchema,
  type SqsSink,
  SqsSink_Encoding,
  SqsSinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import type { OpenSink, SinkRequest } from "../../../src/sinks/sink.ts";
import { sqsDriver } from "../../../src/sinks/sqs/driver.ts";
import { AwsRefusal, DENIED_KEY, startAwsDouble, UNKNOWN_KEY } from "../../support/aws/double.ts";
import { createQueues, type TestQueue } from "../../support/aws/sqs.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const env = environment({ schema: schemaOf([{ name: "id", type: T.LONG }]) });
const queues = createQueues(["orders", "orders.fifo"]);
let double: Awaited<ReturnType<typeof startAwsDouble>>;
const opened: OpenSink[] = [];

beforeAll(async () => {
  double = await startAwsDouble(queues.actions);
});
afterAll(async () => {
  for (const sink of opened) await sink.close();
  await double.close();
});
beforeEach(() => {
  double.refuse = () => undefined;
  for (const name of ["orders", "orders.fifo"]) {
    Object.assign(queues.queue(name), {
      messageBytesMax: 262_144,
      redrivePolicy: "{}",
      refuse: () => undefined,
    });
    queues.queue(name).messages.length = 0;
    queues.queue(name).batches.length = 0;
  }
});

function configOf(
  name = "orders",
  {
    access,
    ...changes
  }: { access?: MessageInitShape<typeof AwsAccessSchema>; encoding?: SqsSink_Encoding } = {},
): SqsSink {
  return create(SqsSinkSchema, {
    queueUrl: `${double.url}/123456789012/${name}`,
    access: {
      region: "eu-central-1",
      accessKeyId: "AKIATEST",
      secretAccessKey: "s3cr3t-access-key",
      endpoint: double.url,
      ...access,
    } as MessageInitShape<typeof AwsAccessSchema>,
    ...changes,
  });
}

async function open(config: SqsSink): Promise<OpenSink> {
  const sink = await sqsDriver.open(config, env);
  opened.push(sink);
  return sink;
}

/** The lists of records in the messages of a queue. */
function lists(queue: TestQueue, isBase64 = true): { id: number }[][] {
  return queue.messages.map(({ body }) =>
    JSON.parse(isBase64 ? Buffer.from(body, "base64").toString() : body),
  );
}

function keyed(records: readonly { id: number; key?: number }[], sequence = 1): SinkRequest {
  const rows = rowsOf(records, sequence).map((row, i) => ({ ...row, keyHash: records[i]!.key }));
  return requestOf(rows);
}

const outcomesOf = async (sink: OpenSink, request: SinkRequest) => {
  const outcome = await sink.write(request, attempt());
  return outcome.kind === "rows" ? outcome.outcomes.map(({ kind }) => kind) : outcome;
};

describe("standard queues", () => {
  test("G02, G04: records arrive as a JSON list, in Base64 or plain", async () => {
    const records = [{ id: 1, text: "ä\ufffe\uffff\u007f\n" }, { id: 2 }];
    for (const encoding of [SqsSink_Encoding.BASE64, SqsSink_Encoding.JSON]) {
      const sink = await open(configOf("orders", { encoding }));
      expect(await outcomesOf(sink, requestOf(rowsOf(records)))).toEqual([
        "delivered",
        "delivered",
      ]);
      const queue = queues.queue("orders");
      expect(lists(queue, encoding === SqsSink_Encoding.BASE64)).toEqual([records]);
      queue.messages.length = 0;
    }
  });

  test.each([262_144, 1_048_576, 2048, undefined])(
    "G06: a message is filled up to the limit of its queue (%s), and what is too large is rejected",
    async (limit) => {
      const queue = queues.queue("orders");
      queue.messageBytesMax = limit;
      const bytesMax = limit ?? 262_144;
      const sink = await open(configOf());
      const each = Math.floor(bytesMax / 16);
      const records = Array.from({ length: 45 }, (_, id) => ({ id, text: "x".repeat(each) }));
      const large = { id: 99, text: "x".repeat(bytesMax) };
      const rows = rowsOf([...records.slice(0, 20), large, ...records.slice(20)]);
      const outcome = await sink.write(requestOf(rows), attempt());
      const outcomes = outcome.kind === "rows" ? outcome.outcomes : [];
      expect(outcomes.map(({ kind }) => kind)).toEqual(
        rows.map((_, i) => (i === 20 ? "reject" : "delivered")),
      );
      expect(outcomes[20]).toMatchObject({
        reason: "TOO_LARGE",
        why: expect.stringContaining(`a message of this queue may have ${bytesMax}`),
      });
      expect(lists(queue).flat()).toEqual(records);
      for (const [index, { body }] of queue.messages.entries()) {
        expect(body.length).toBeLessThanOrEqual(bytesMax);
        if (index === queue.messages.length - 1) break;
        const next = lists(queue)[index + 1]![0];
        const wider = JSON.stringify([...lists(queue)[index]!, next]);
        expect(4 * Math.ceil(wider.length / 3) + 90).toBeGreaterThan(bytesMax);
      }
    },
  );

  test("no batch has more than 10 messages", async () => {
    const queue = queues.queue("orders");
    queue.messageBytesMax = 1024;
    const records = Array.from({ length: 25 }, (_, id) => ({ id, text: "x".repeat(600) }));
    const sink = await open(configOf());
    await sink.write(requestOf(rowsOf(records)), attempt());
    expect(queue.batches).toEqual([10, 10, 5]);
    expect(lists(queue).flat()).toEqual(records);
  });

  test("of a batch that failed in part only the failed entries are sent again", async () => {
    const queue = queues.queue("orders");
    queue.messageBytesMax = 1024;
    const records = Array.from({ length: 12 }, (_, id) => ({ id, text: "x".repeat(600) }));
    let failures = 3;
    queue.refuse = () =>
      failures-- > 0 ? { code: "InternalError", isSenderFault: false } : undefined;
    const sink = await open(configOf());
    const request = requestOf(rowsOf(records));
    expect(await outcomesOf(sink, request)).toMatchObject({
      kind: "retry",
      scope: "sink",
      reason: "AWS_ERROR",
      burnsAttempt: true,
    });
    expect(queue.messages).toHaveLength(9);
    expect(await outcomesOf(sink, request)).toEqual(records.map(() => "delivered"));
    const ids = lists(queue)
      .flat()
      .map(({ id }) => id);
    expect(ids).toHaveLength(12);
    expect(new Set(ids)).toEqual(new Set(records.keys()));
  });

  test("a message that is refused is taken apart, and only the record at fault is rejected", async () => {
    const queue = queues.queue("orders");
    queue.refuse = ({ body }) =>
      Buffer.from(body, "base64").toString().includes("poison")
        ? { code: "InvalidMessageContents", isSenderFault: true }
        : undefined;
    const sink = await open(configOf());
    const records = [{ id: 1 }, { id: 2, text: "poison" }, { id: 3 }];
    const kinds = await outcomesOf(sink, requestOf(rowsOf(records)));
    expect(kinds).toEqual(["delivered", "reject", "delivered"]);
    expect(lists(queue).flat()).toEqual([{ id: 1 }, { id: 3 }]);
  });

  test("throttling burns no attempt", async () => {
    double.refuse = (action) =>
      action === "SendMessageBatch"
        ? new AwsRefusal("com.amazonaws.sqs#RequestThrottled", "slow down")
        : undefined;
    const sink = await open(configOf());
    expect(await outcomesOf(sink, requestOf(rowsOf([{ id: 1 }])))).toMatchObject({
      kind: "retry",
      reason: "THROTTLED",
      burnsAttempt: false,
    });
  });
});

describe("FIFO queues", () => {
  test("the group comes from the key, or from the partition where there is none", async () => {
    const queue = queues.queue("orders.fifo");
    const sink = await open(configOf("orders.fifo"));
    const records = [{ id: 1, key: 7 }, { id: 2, key: 255 }, { id: 3, key: 7 }, { id: 4 }];
    await sink.write(keyed(records), attempt());
    const found = queue.messages.map(({ group }, i) => [group, lists(queue)[i]!.map((r) => r.id)]);
    expect(found).toEqual([
      ["key-00000007", [1, 3]],
      ["key-000000ff", [2]],
      ["partition-0", [4]],
    ]);
  });

  test("a repeat has the same deduplication ids, also in a sink that was opened anew", async () => {
    const queue = queues.queue("orders.fifo");
    const request = keyed(
      [
        { id: 1, key: 1 },
        { id: 2, key: 2 },
      ],
      500,
    );
    await (await open(configOf("orders.fifo"))).write(request, attempt());
    expect(await outcomesOf(await open(configOf("orders.fifo")), request)).toEqual([
      "delivered",
      "delivered",
    ]);
    expect(queue.messages).toHaveLength(2);
    expect(queue.duplicates).toBe(2);
  });

  test("nothing of a group overtakes a message of it that failed", async () => {
    const queue = queues.queue("orders.fifo");
    queue.messageBytesMax = 1024;
    const records = Array.from({ length: 6 }, (_, id) => ({
      id,
      key: id % 2,
      text: "x".repeat(600),
    }));
    let left = 1;
    queue.refuse = ({ group }) =>
      group === "key-00000001" && left-- > 0
        ? { code: "InternalError", isSenderFault: false }
        : undefined;
    const sink = await open(configOf("orders.fifo"));
    const request = keyed(records, 600);
    expect(await outcomesOf(sink, request)).toMatchObject({ kind: "retry" });
    expect(
      lists(queue)
        .flat()
        .map(({ id }) => id),
    ).toEqual([0, 2, 4]);
    expect(await outcomesOf(sink, request)).toEqual(records.map(() => "delivered"));
    expect(
      lists(queue)
        .flat()
        .map(({ id }) => id),
    ).toEqual([0, 2, 4, 1, 3, 5]);
  });

  test("requests of one partition are never in flight at once", async () => {
    const queue = queues.queue("orders.fifo");
    const sink = await open(configOf("orders.fifo"));
    const ids = [700, 701, 702, 703];
    const requests = ids.map((sequence) => keyed([{ id: sequence }], sequence));
    await Promise.all(requests.map((request) => sink.write(request, attempt())));
    expect(
      lists(queue)
        .flat()
        .map(({ id }) => id),
    ).toEqual(ids);
  });
});

describe("tests of unsaved settings", () => {
  const run = (config: SqsSink) =>
    sqsDriver.test(config, env, { prepare: false, signal: attempt() });

  test("G09: a marked message is sent, and its time is told", async () => {
    for (const name of ["orders", "orders.fifo"]) {
      const stages = await run(configOf(name));
      expect(stages.map(({ name, isOk }) => [name, isOk])).toEqual([
        ["authenticate", true],
        ["describe", true],
        ["write", true],
      ]);
      expect(stages.at(-1)?.message).toMatch(/in \d+ ms$/);
      const [message] = queues.queue(name).messages;
      expect(message?.attributes["tributary-test"]).toBe("1");
      expect(lists(queues.queue(name))).toEqual([[]]);
    }
  });

  test("G07: a queue without redrive policy gives a warning", async () => {
    queues.queue("orders").redrivePolicy = undefined;
    const stages = await run(configOf());
    expect(stages[1]).toMatchObject({ isOk: true });
    expect(stages[1]?.message).toContain("warning: it has no redrive policy");
  });

  test("G08: access denied is shown as that, with the least policy for this queue", async () => {
    const stages = await run(configOf("orders", { access: { accessKeyId: DENIED_KEY } }));
    const last = stages.at(-1);
    expect(last).toMatchObject({ name: "write", isOk: false });
    expect(last?.message).toMatch(/^ACCESS_DENIED: .*AccessDenied/);
    expect(JSON.parse(last?.remedy ?? "")).toEqual({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Action: ["sqs:SendMessage", "sqs:GetQueueAttributes"],
          Resource: "arn:aws:sqs:eu-central-1:123456789012:orders",
        },
      ],
    });
  });

  test("G09: the provider's own error is shown", async () => {
    const missing = await run(configOf("nothing"));
    expect(missing.at(-1)?.message).toMatch(/^DESTINATION_MISSING: .*QueueDoesNotExist/);
    const unknown = await run(configOf("orders", { access: { accessKeyId: UNKNOWN_KEY } }));
    expect(unknown.at(-1)?.message).toMatch(/^AUTHENTICATION_FAILED: .*security token is invalid/);
  });

  test("addresses that sinks may not reach are refused, by name and by number", async () => {
    const config = configOf();
    const results = await sqsDriver.test(
      config,
      { ...env, isLoopbackAllowed: false },
      { prepare: false, signal: attempt() },
    );
    expect(results.at(-1)?.message).toMatch(/^ADDRESS_REFUSED/);
  });

  test("a role is assumed with our external id; one that does not trust us gets the policy to paste", async () => {
    const roleOf = (trusted: string) => `arn:aws:iam::123456789012:role/trusts-${trusted}`;
    const good = await run(
      configOf("orders", { access: { roleArn: roleOf(`tributary-${env.logUid}`) } }),
    );
    expect(good.every(({ isOk }) => isOk)).toBe(true);
    const bad = await run(configOf("orders", { access: { roleArn: roleOf("other") } }));
    expect(bad.at(-1)?.message).toMatch(/^ACCESS_DENIED: assuming the role/);
    expect(JSON.parse(bad.at(-1)?.remedy ?? "").Statement[0]).toMatchObject({
      Principal: { AWS: "arn:aws:iam::111122223333:user/AKIATEST" },
      Condition: { StringEquals: { "sts:ExternalId": `tributary-${env.logUid}` } },
    });
  });
});
