import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SqsSinkSchema, WebhookSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { sqsDriver } from "../../src/sinks/sqs/driver.ts";
import { webhookDriver } from "../../src/sinks/webhook/driver.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createQueues } from "../support/aws/sqs.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "./sample.ts";
import { startReceiver } from "./webhook/receiver.ts";

const folder = "../../examples/messages";
const env = environment({ schema: schemaOf([{ name: "feed", type: T.STRING }]) });
/** Updates of a feed, as the preset FEED_UPDATES has them. */
const request = requestOf(
  rowsOf([
    {
      feed: "user:ada",
      new: [{ id: "a1", actor: "ada", verb: "post", object: "picture:7" }],
      deleted: [],
      deleted_foreign_ids: [],
      published_at: "2026-01-01T00:00:00Z",
    },
    {
      feed: "user:ada",
      new: [],
      deleted: ["a1"],
      deleted_foreign_ids: [["post:7", "2026-01-01T00:00:00Z"]],
      published_at: "2026-01-01T00:01:00Z",
    },
  ]),
);
const queues = createQueues(["updates"]);
let double: Awaited<ReturnType<typeof startAwsDouble>>;
let receiver: Awaited<ReturnType<typeof startReceiver>>;

beforeAll(async () => {
  double = await startAwsDouble(queues.actions);
  receiver = await startReceiver();
});
afterAll(async () => {
  await double?.close();
  await receiver?.close();
});

const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

test("G11, G14: the documented messages of SQS and webhooks are what is sent, and hold the same list", async () => {
  const sqs = await sqsDriver.open(
    create(SqsSinkSchema, {
      queueUrl: `${double.url}/123456789012/updates`,
      access: {
        region: "eu-central-1",
        accessKeyId: "AKIATEST",
        secretAccessKey: "secret",
        endpoint: double.url,
      },
    }),
    env,
  );
  await sqs.write(request, attempt());
  await sqs.close();
  const [message] = queues.queue("updates").messages;
  const list = Buffer.from(message!.body, "base64").toString();
  await expect(
    pretty({ MessageBody: message!.body, MessageAttributes: message!.attributes }),
  ).toMatchFileSnapshot(`${folder}/sqs-message.json`);
  await expect(pretty(JSON.parse(list))).toMatchFileSnapshot(`${folder}/sqs-message-decoded.json`);

  let sent: { headers: Record<string, unknown>; body: string } | undefined;
  receiver.answer = (response, { body, headers }) => {
    sent = { headers, body };
    response.writeHead(204).end();
  };
  const secret = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
  const config = create(WebhookSinkSchema, { url: receiver.url, signingSecret: secret });
  const webhook = await webhookDriver.open(config, env);
  await webhook.write(request, attempt());
  await webhook.close();
  expect(sent?.body).toBe(list);
  // The time, the signature over it and the port differ each time.
  const shown = Object.fromEntries(
    Object.entries(sent!.headers).filter(([name]) =>
      /^(content-type|user-agent|webhook-id|tributary-)/.test(name),
    ),
  );
  await expect(pretty({ headers: shown, body: JSON.parse(sent!.body) })).toMatchFileSnapshot(
    `${folder}/webhook-request.json`,
  );
});
