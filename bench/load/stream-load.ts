/**
 * PushStream over node:http2, framed by hand: the callers are requests under way, shared by 8 streams of a
 * connection each. Answers come in the order of the requests.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { createMeter, type LoadPlan } from "./load.ts";

const STREAMS = 8;
const FRAME_HEAD = 5;
/** Tags of PushStreamResponse: the position, and an error in place of the answer. */
const INDEX = 0x08;
const ERROR = 0x1a;
const plan = JSON.parse(readFileSync(0, "utf8")) as LoadPlan;
const meter = createMeter(plan);
const frames = plan.bodies.map(({ body }) => frame(wrap(Buffer.from(body, "base64"))));
let turn = 0;

/** The PushRequest as the one field of a PushStreamRequest. */
function wrap(push: Buffer): Buffer {
  const head = [0x0a];
  let rest = push.length;
  for (; rest >= 128; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, rest]), push]);
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function isError(message: Buffer): boolean {
  let at = 0;
  if (message[0] === INDEX)
    do at++;
    while (message[at]! >= 128);
  return message[at === 0 ? 0 : at + 1] === ERROR;
}

function open(): void {
  const session = connect(`http://${plan.host}:${plan.port}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": plan.path,
    "content-type": "application/grpc",
    te: "trailers",
    ...plan.headers,
  });
  const sentAt: number[] = [];
  let received: Buffer = Buffer.alloc(0);
  let text = "";
  const send = () => {
    if (meter.isOver() || stream.closed) return;
    sentAt.push(performance.now());
    stream.write(frames[turn++ % frames.length]);
  };
  const take = (fields: Record<string, unknown>) => {
    text = String(fields["grpc-message"] ?? text);
  };
  stream.on("response", take);
  stream.on("trailers", take);
  stream.on("error", (error) => (text = String(error)));
  stream.on("data", (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    while (received.length >= FRAME_HEAD) {
      const end = FRAME_HEAD + received.readUInt32BE(1);
      if (received.length < end) return;
      const message = received.subarray(FRAME_HEAD, end);
      received = received.subarray(end);
      meter.note(sentAt.shift() ?? 0, isError(message) ? message.toString("latin1") : undefined);
      send();
    }
  });
  stream.on("close", () => {
    session.close();
    for (const at of sentAt) meter.note(at, `the stream ended: ${text}`);
    if (!meter.isOver()) open();
  });
  for (let i = 0; i < plan.callers / STREAMS; i++) send();
}

for (let i = 0; i < STREAMS; i++) open();
