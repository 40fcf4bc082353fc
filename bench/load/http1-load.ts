/**
 * HTTP/1.1 calls over plain sockets: requests are made once, and of an answer only its status and
 * length are read, so that the generator costs a fraction of what it measures. One call at a time
 * on each connection, no pipelining.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createMeter, type LoadPlan } from "./load.ts";

const plan = JSON.parse(readFileSync(0, "utf8")) as LoadPlan;
const meter = createMeter(plan);
const requests = plan.bodies.map(({ path = plan.path, body }) => encodeRequest(path, body));
const expected = `HTTP/1.1 ${plan.status ?? 200}`;
/** Between two calls of one caller; 0 for no wait. */
const everyMs = plan.perSecond ? (plan.callers * 1000) / plan.perSecond : 0;
let turn = 0;

function encodeRequest(path: string, base64: string): Buffer {
  const body = Buffer.from(base64, "base64");
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: ${plan.host}:${plan.port}`,
    `content-length: ${body.length}`,
    ...Object.entries(plan.headers).map(([name, value]) => `${name}: ${value}`),
  ].join("\r\n");
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]);
}

for (let i = 0; i < plan.callers; i++) setTimeout(open, (everyMs * i) / plan.callers);

function open(): void {
  const socket = connect({ host: plan.host, port: plan.port, noDelay: true });
  let sentAt = 0;
  let received = "";
  const send = () => {
    sentAt = performance.now();
    socket.write(requests[turn++ % requests.length]!);
  };
  // A call that is late because of the answer before it counts from when it was due.
  const sendWhenDue = () => {
    const due = sentAt + everyMs;
    const waitMs = due - performance.now();
    if (everyMs > 0 && waitMs > 0) setTimeout(send, waitMs);
    else {
      send();
      if (everyMs > 0) sentAt = due;
    }
  };
  socket.on("connect", send);
  socket.on("error", (error) => meter.note(sentAt, String(error)));
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    received = received === "" ? chunk : received + chunk;
    const end = endOfAnswer(received);
    if (end < 0 || received.length < end) return;
    meter.note(sentAt, received.startsWith(expected) ? undefined : received);
    const isLast = /\r\nconnection: close/i.test(received);
    received = "";
    if (isLast) reopen(socket);
    else if (!meter.isOver()) sendWhenDue();
  });
}

/** The server ends a connection after some thousand requests. */
function reopen(socket: Socket): void {
  socket.destroy();
  open();
}

/** Length of the whole answer; -1 while its head is not complete. */
function endOfAnswer(text: string): number {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return -1;
  if (text.startsWith("HTTP/1.1 204")) return head + 4;
  const at = text.search(/content-length: /i);
  if (at < 0 || at > head) throw new Error(`an answer without a length: ${text}`);
  return head + 4 + Number.parseInt(text.slice(at + 16, at + 28), 10);
}
