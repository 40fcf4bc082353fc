/**
 * Pushes a record with the generated client, in TypeScript on Node. Needs the variables of demo.env:
 *   set -a; . .tributary/demo.env; set +a; npx --no -- node examples/typescript/push.ts
 */
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { OAuth2Service, PushService } from "tributary/client";

const { TRIBUTARY_URL = "", STREAM = "", CLIENT_ID = "", CLIENT_SECRET = "" } = process.env;

const transport = createConnectTransport({ baseUrl: TRIBUTARY_URL, httpVersion: "2" });
const token = await createClient(OAuth2Service, transport).issueToken({
  grantType: "client_credentials",
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
});

const withToken: Interceptor = (next) => (request) => {
  request.header.set("Authorization", `Bearer ${token.accessToken}`);
  return next(request);
};
const push = createClient(
  PushService,
  createConnectTransport({ baseUrl: TRIBUTARY_URL, httpVersion: "2", interceptors: [withToken] }),
);

// `json` carries the record's bytes as they are: integers beyond 2^53 and exact decimals survive.
const record = { sensor_id: "typescript", temperature: 4.132, created_at: "2026-01-01T00:00:00Z" };
const answer = await push.push({
  stream: STREAM,
  records: [{ payload: { case: "json", value: new TextEncoder().encode(JSON.stringify(record)) } }],
  // Repeating the call with the same key stores nothing twice.
  idempotencyKey: crypto.randomUUID(),
});
process.stdout.write(`accepted ${answer.accepted} at ${answer.firstPlace}\n`);
process.exit(0);
