/**
 * A project that takes what it can get: posters of bodies close to 16 MiB, one after the other, and a
 * thousand connections that stay open. Told `on` and `off` by stdin; answers `off` with what came of it.
 */
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** What it is told. */
export interface HogPlan {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly stream: string;
  readonly posters: number;
  readonly connections: number;
}

/** What came of one time of being on: answers by status, connections that were open at the end. */
export interface HogResult {
  readonly answers: Readonly<Record<string, number>>;
  readonly open: number;
}

const BODY_BYTES = 15.5 * 2 ** 20;

const plan = JSON.parse(process.argv[2] ?? "") as HogPlan;
const { host, port } = plan;
const headers = { authorization: `Bearer ${plan.token}`, "content-type": "application/json" };
const record = `{"value":{"n":1,"text":"${"x".repeat(1_000)}"}}`;
const body = Buffer.from(
  `[${Array.from({ length: Math.floor(BODY_BYTES / (record.length + 1)) }, () => record).join(",")}]`,
);

function post(): Promise<number> {
  return new Promise((resolve) => {
    const take = (answer: IncomingMessage) => {
      answer.resume().on("end", () => resolve(answer.statusCode ?? 0));
    };
    const path = `/v1/${plan.stream}/records`;
    const call = request({ host, port, path, method: "POST", headers }, take);
    call.on("error", () => resolve(0));
    call.end(body);
  });
}

/** A connection with one answered request: it stays as long as the server lets it. */
function hold(): Socket {
  const socket = connect({ host, port });
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.write(`GET /healthz HTTP/1.1\r\nhost: ${host}:${port}\r\n\r\n`);
  return socket;
}

async function poster(answers: Record<string, number>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const status = await post();
    answers[status] = (answers[status] ?? 0) + 1;
    // As long as a refusal asks for at the least.
    if (status !== 200) await sleep(200);
  }
}

let ending = new AbortController();
let posters: Promise<unknown> = Promise.resolve();
let answers: Record<string, number> = {};
let sockets: Socket[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "on") {
    ending = new AbortController();
    answers = {};
    sockets = Array.from({ length: plan.connections }, hold);
    posters = Promise.all(
      Array.from({ length: plan.posters }, () => poster(answers, ending.signal)),
    );
    continue;
  }
  ending.abort();
  const open = sockets.filter((socket) => !socket.destroyed).length;
  await posters;
  for (const socket of sockets) socket.destroy();
  process.stdout.write(`${JSON.stringify({ answers, open } satisfies HogResult)}\n`);
}
