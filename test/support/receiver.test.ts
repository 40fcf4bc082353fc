import { Webhook } from "standardwebhooks";
import { expect, onTestFinished, test } from "vitest";
import { type ReceiverMode, startReceiver } from "./receiver.ts";

const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

async function send(mode: ReceiverMode, { signWith = secret, body = '[{"a":1}]' } = {}) {
  const receiver = await startReceiver(mode);
  onTestFinished(() => receiver.close());
  receiver.secret = secret;
  const at = new Date();
  const response = await fetch(receiver.url, {
    method: "POST",
    redirect: "manual",
    headers: {
      "webhook-id": "r1",
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": new Webhook(signWith).sign("r1", at, body),
    },
    body,
    signal: AbortSignal.timeout(500),
  }).then(
    async (answer) => ({ answer, text: await answer.text().catch(() => "cut") }),
    (error: Error) => error.name,
  );
  return { receiver, response };
}

test("the receiver takes a request with a good signature and names one with a bad one", async () => {
  const good = await send({ kind: "ok" });
  expect(good.receiver.accepted()).toEqual([{ a: 1 }]);
  expect(good.receiver.faults).toEqual([]);
  const other = `whsec_${Buffer.alloc(24, 8).toString("base64")}`;
  const bad = await send({ kind: "ok" }, { signWith: other });
  expect(bad.receiver.faults).toEqual([expect.stringContaining("r1")]);
});

test("the receiver hangs, cuts, drips and refuses as told", async () => {
  expect((await send({ kind: "hang" })).response).toBe("TimeoutError");
  expect((await send({ kind: "reset", at: "head" })).response).toBe("TypeError");
  expect((await send({ kind: "reset", at: "body" })).response).toMatchObject({ text: "cut" });
  expect((await send({ kind: "drip", at: "head" })).response).toBe("TimeoutError");
  expect((await send({ kind: "drip", at: "body" })).response).toMatchObject({ text: "cut" });
  const limited = await send({ kind: "status", status: 429, retryAfter: 3 });
  expect(limited.response).toMatchObject({ answer: { status: 429 } });
  const refused = await send({ kind: "refuse", isBad: (record) => record.a === 1 });
  expect(refused.response).toMatchObject({ answer: { status: 422 } });
  expect(refused.receiver.accepted()).toEqual([]);
});
