/** Unary gRPC calls over node:http2, framed by hand: 8 connections that share the callers. */
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { createMeter, type LoadPlan } from "./load.ts";

const CONNECTIONS = 8;
const plan = JSON.parse(readFileSync(0, "utf8")) as LoadPlan;
const meter = createMeter(plan);
const frames = plan.bodies.map(({ body }) => frame(Buffer.from(body, "base64")));
const headers = {
  ":method": "POST",
  ":path": plan.path,
  "content-type": "application/grpc",
  te: "trailers",
  ...plan.headers,
};
const sessions: (ClientHttp2Session | undefined)[] = [];
let turn = 0;

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The session of a place; a new one after the server asked to reconnect. */
function sessionAt(place: number): ClientHttp2Session {
  const known = sessions[place];
  if (known && !known.closed && !known.destroyed) return known;
  const session = connect(`http://${plan.host}:${plan.port}`);
  session.on("goaway", () => (sessions[place] = undefined));
  session.on("close", () => {
    if (sessions[place] === session) sessions[place] = undefined;
  });
  session.on("error", () => undefined);
  sessions[place] = session;
  return session;
}

function call(place: number): void {
  if (meter.isOver()) return;
  const sentAt = performance.now();
  const stream = sessionAt(place).request(headers);
  let status = "";
  let text = "";
  const take = (fields: Record<string, unknown>) => {
    status = String(fields["grpc-status"] ?? status);
    text = String(fields["grpc-message"] ?? text);
  };
  stream.on("response", take);
  stream.on("trailers", take);
  stream.on("data", () => undefined);
  stream.on("error", (error) => (text = String(error)));
  stream.on("close", () => {
    meter.note(sentAt, status === "0" ? undefined : `status ${status}: ${text}`);
    call(place);
  });
  stream.end(frames[turn++ % frames.length]);
}

for (let i = 0; i < plan.callers; i++) call(i % CONNECTIONS);
