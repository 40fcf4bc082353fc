import { PushService } from "tributary/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSink, createStream } from "../support/api.ts";
import { clientOf, jsonPayload, type TransportName } from "../support/clients.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

const numbers = {
  long_max: "9223372036854775807",
  long_min: "-9223372036854775808",
  long_odd: "9007199254740993",
  decimal_exact: "123456789012345678901234567890.123456789012345678901234567890",
  decimal_small: "1.10",
  double_precise: "0.1",
};
const inside = '{"big":9007199254740993,"huge":1e400,"zero":-0,"exact":1.000}';
const fields = {
  way: "STRING",
  long_max: "LONG",
  long_min: "LONG",
  long_odd: "LONG",
  decimal_exact: "DECIMAL",
  decimal_small: "DECIMAL",
  double_precise: "DOUBLE",
  inside: "JSON",
};

function recordText(way: string): string {
  const members = Object.entries(numbers).map(([name, text]) => `"${name}":${text}`);
  return `{"way":"${way}",${members.join(",")},"inside":${inside}}`;
}

let server: TestServer;
let receiver: Receiver;
let stream: string;

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
  stream = await createStream(server, "numbers", { fields });
  await createSink(server, stream, { id: "table", postgres: { table: "numbers" } });
  await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
});
afterAll(() => Promise.all([server?.close(), receiver?.close()]));

const sendJson =
  (path: string, body: string, type = "application/json") =>
  async () => {
    const answer = await fetch(`${server.url}${path.replace("{stream}", stream)}`, {
      method: "POST",
      headers: { authorization: `Bearer ${await server.token()}`, "content-type": type },
      body: body.replace("{stream}", stream),
    });
    return answer.ok ? undefined : answer.text();
  };
const sendGenerated = (way: string, transport: TransportName) => async () => {
  const client = clientOf(PushService, server, transport);
  await client.push({ stream, records: [jsonPayload(recordText(way))] });
  return undefined;
};
const restPath = "/v1/{stream}/records";
const rpcPath = "/tributary.push.v1.PushService/Push";
const rpcBody = (payload: string) => `{"stream":"{stream}","records":[${payload}]}`;
const base64 = (text: string) => Buffer.from(text).toString("base64");

const WAYS: Record<string, () => Promise<string | undefined>> = {
  "rest-array": sendJson(restPath, `[{"value":${recordText("rest-array")}}]`),
  "rest-single": sendJson(restPath, `{"value":${recordText("rest-single")}}`),
  ndjson: sendJson(restPath, `{"value":${recordText("ndjson")}}\n`, "application/x-ndjson"),
  "connect-value": sendJson(rpcPath, rpcBody(`{"value":${recordText("connect-value")}}`)),
  "connect-json": sendJson(rpcPath, rpcBody(`{"json":"${base64(recordText("connect-json"))}"}`)),
  grpc: sendGenerated("grpc", "gRPC over h2c"),
  "connect-binary": sendGenerated("connect-binary", "Connect binary over HTTP/1.1"),
};

test.each(Object.keys(WAYS))(
  "N12: numbers pushed by %s keep every digit on the way",
  async (way) => {
    expect(await WAYS[way]?.()).toBeUndefined();
    const page = await (await server.get(`/v1/${stream}/records?pageSize=1000`)).text();
    expect(page).toContain(recordText(way));

    const sql = connect(server.env.SINK_DATABASE_URL ?? "");
    try {
      const row = await waitFor(
        async () =>
          (
            await sql`SELECT long_max::text, long_min::text, long_odd::text, decimal_exact::text,
            decimal_small::text, double_precise::text FROM numbers WHERE way = ${way}`.catch(
              () => [],
            )
          )[0],
        { what: `the row of ${way}` },
      );
      expect(row).toEqual(numbers);
      const [json] =
        await sql`SELECT inside->>'big' AS big, (inside->'huge')::numeric = 1e400::numeric
      AS huge, inside->>'exact' AS exact FROM numbers WHERE way = ${way}`;
      expect(json).toEqual({ big: "9007199254740993", huge: true, exact: "1.000" });
    } finally {
      await sql.end();
    }
    await waitFor(() => receiver.requests.some((r) => r.text.includes(recordText(way))), {
      what: () => `the record at the webhook, byte for byte: ${receiver.requests.at(-1)?.text}`,
    });
  },
);
