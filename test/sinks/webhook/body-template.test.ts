import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebhookSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { createBodyTemplates } from "../../../src/mapping/body-template.ts";
import { createTemplatePool } from "../../../src/mapping/templates/template-pool.ts";
import type { OpenSink } from "../../../src/sinks/sink.ts";
import { webhookDriver } from "../../../src/sinks/webhook/driver.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const pool = createTemplatePool({ threads: 1 });
const templates = createBodyTemplates(pool);
const schema = schemaOf([{ name: "id", type: T.LONG }]);
const env = environment({ schema, templates });
const opened: OpenSink[] = [];
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(async () => {
  for (const sink of opened) await sink.close();
  await receiver.close();
  await pool.close();
});
beforeEach(() => {
  receiver.received.length = 0;
});

const configOf = (bodyTemplate: string, singleObject = false) =>
  create(WebhookSinkSchema, { url: receiver.url, bodyTemplate, singleObject });
async function open(bodyTemplate: string, singleObject = false): Promise<OpenSink> {
  const sink = await webhookDriver.open(configOf(bodyTemplate, singleObject), env);
  opened.push(sink);
  return sink;
}
const bodies = () => receiver.received.map(({ body }) => JSON.parse(body) as unknown);

test("the body is what the template makes of the list, or of the one record", async () => {
  const many = await open(
    "{ at: Now('%Y'), count: std.length(Body()), ids: [r.id for r in Body()] }",
  );
  expect(await many.write(requestOf(rowsOf([{ id: 1 }, { id: 2 }])), attempt())).toMatchObject({
    kind: "rows",
    outcomes: [{ kind: "delivered" }, { kind: "delivered" }],
  });
  const one = await open("{ text: 'order ' + Body('id') }", true);
  await one.write(requestOf(rowsOf([{ id: 7 }])), attempt());
  expect(bodies()).toEqual([{ at: "2023", count: 2, ids: [1, 2] }, { text: "order 7" }]);
});

test("a repeat has the same body, byte for byte", async () => {
  const sink = await open("{ now: Now(), records: Body() }");
  const request = requestOf(rowsOf([{ id: 1 }]));
  await sink.write(request, attempt());
  await sink.write(request, attempt());
  const [first, second] = receiver.received.map(({ body }) => body);
  expect(second).toBe(first);
});

test("records without a body are found by halving, and held with the reason; templates that never end too", async () => {
  for (const source of ["[r.must.be.there for r in Body()]", "local f(x) = f(x + 1); f(0)"]) {
    const sink = await open(source);
    expect(await sink.write(requestOf(rowsOf([{ id: 1 }, { id: 2 }])), attempt())).toMatchObject({
      kind: "retry",
      scope: "request",
      reason: "TEMPLATE_FAILED",
    });
    const alone = await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt());
    expect(alone).toMatchObject({
      kind: "rows",
      outcomes: [{ kind: "reject", reason: "TEMPLATE_FAILED" }],
    });
  }
  expect(receiver.received).toEqual([]);
});

test("what is no template is refused at save, with its place", () => {
  const faults = webhookDriver.check(configOf("{ a: }"), { schema, templates });
  expect(faults).toEqual([
    { field: "body_template", description: expect.stringMatching(/^1:6: /) },
  ]);
  expect(
    webhookDriver.check(configOf("importstr '/etc/passwd'"), { schema, templates }),
  ).toHaveLength(1);
});

test("a test sends what the template makes without records, or says that it makes nothing", async () => {
  const options = { prepare: false, signal: attempt() };
  await webhookDriver.test(configOf("{ n: std.length(Body()) }"), env, options);
  expect(bodies()).toEqual([{ n: 0 }]);
  const stages = await webhookDriver.test(configOf("Body()[0].id"), env, options);
  expect(stages.at(-1)).toMatchObject({ name: "write", isOk: true });
  expect(stages.at(-1)?.message).toMatch(/^nothing was sent/);
});
