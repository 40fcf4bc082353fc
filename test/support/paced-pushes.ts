/**
 * Pushes at a steady rate, whatever the answers do: in this process, or in one of its own. Over plain
 * sockets that stay open, with a request that was made once: a client that costs more than what it
 * measures would share a processor with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const CONNECTIONS = 32;

/** What is pushed, and how often. */
export interface PacedPlan {
  readonly url: string;
  /** Name of a stream with a LONG field `n`. */
  readonly stream: string;
  readonly token: string;
  /** Calls a second, of one record each. */
  readonly perSecond: number;
}

/** One answer. */
export interface PacedAnswer {
  readonly status: number;
  readonly tookMs: number;
}

/** Connections to a server, of which each has one call under way. */
export interface PacedPusher {
  /** Pushes until the signal fires, as often as the plan says or so often a second; gives all answers. */
  push(signal: AbortSignal, perSecond?: number): Promise<PacedAnswer[]>;
  close(): void;
}

/** A connection that waits for its answer. */
interface Caller {
  socket: Socket;
  received: string;
  answered: ((status: number) => void) | undefined;
}

/** Opens the connections as they are needed, and keeps them. */
export function openPacedPusher(plan: PacedPlan): PacedPusher {
  const request = requestOf(plan);
  const free: Caller[] = [];
  const waiting: ((caller: Caller) => void)[] = [];
  const all: Caller[] = [];
  const callOnce = async (dueAt: number): Promise<PacedAnswer> => {
    const caller =
      free.pop() ??
      (all.length < CONNECTIONS
        ? openCaller(plan.url, all)
        : await new Promise<Caller>((resolve) => waiting.push(resolve)));
    if (caller.socket.destroyed) reopen(plan.url, caller);
    const status = await new Promise<number>((resolve) => {
      caller.answered = resolve;
      caller.socket.write(request);
    });
    const next = waiting.shift();
    if (next) next(caller);
    else free.push(caller);
    return { status, tookMs: performance.now() - dueAt };
  };
  return {
    async push(signal, perSecond = plan.perSecond) {
      const answers: Promise<PacedAnswer>[] = [];
      const everyMs = 1000 / perSecond;
      for (let dueAt = performance.now(); !signal.aborted; ) {
        for (; dueAt <= performance.now(); dueAt += everyMs) answers.push(callOnce(dueAt));
        await sleep(1);
      }
      return await Promise.all(answers);
    },
    close: () => {
      for (const { socket } of all) socket.destroy();
    },
  };
}

function requestOf({ url, stream, token }: PacedPlan): Buffer {
  const body = '[{"value":{"n":1}}]';
  const head = [
    `POST /v1/${stream}/records HTTP/1.1`,
    `host: ${new URL(url).host}`,
    `authorization: Bearer ${token}`,
    "content-type: application/json",
    `content-length: ${body.length}`,
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}

function openCaller(url: string, all: Caller[]): Caller {
  const caller: Caller = { socket: connectTo(url), received: "", answered: undefined };
  all.push(caller);
  listen(caller);
  return caller;
}

function connectTo(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect({ host: hostname, port: Number(port), noDelay: true }).setEncoding("latin1");
}

function reopen(url: string, caller: Caller): void {
  caller.socket = connectTo(url);
  listen(caller);
}

/** Reads answers. */
function listen(caller: Caller): void {
  const settle = (status: number) => {
    const { answered } = caller;
    caller.answered = undefined;
    caller.received = "";
    answered?.(status);
  };
  const { socket } = caller;
  socket.on("error", () => undefined);
  // A connection that is idle for long is ended by the server: the next call opens it anew.
  socket.on("close", () => {
    if (caller.socket === socket && caller.answered) settle(0);
  });
  socket.on("data", (chunk: string) => {
    caller.received += chunk;
    const head = caller.received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(caller.received)?.[1] ?? 0);
    if (caller.received.length < head + 4 + length) return;
    const status = Number(caller.received.slice(9, 12));
    if (/\r\nconnection: close/i.test(caller.received.slice(0, head))) socket.destroy();
    settle(status);
  });
}

/** Pushes in this process until the signal fires, and gives the answers to all of it. */
export async function pushPaced(plan: PacedPlan, signal: AbortSignal): Promise<PacedAnswer[]> {
  const pusher = openPacedPusher(plan);
  try {
    return await pusher.push(signal);
  } finally {
    pusher.close();
  }
}

/** A process that pushes while it is on. */
export interface PacedChild {
  /** Begins, as often as the plan says or so often a second. */
  on(perSecond?: number): void;
  /** Ends the pushing; gives the number of answers by status since `on`. */
  off(): Promise<Record<string, number>>;
  /** The same, and gives every answer. */
  end(): Promise<PacedAnswer[]>;
  /** Of the process. */
  readonly pid: number;
  close(): void;
}

/** Starts a process that pushes nothing yet. */
export function startPacedChild(plan: PacedPlan): PacedChild {
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, PACED_PLAN: JSON.stringify(plan) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const end = async () => {
    child.stdin?.write("off\n");
    const pairs = JSON.parse((await lines.next()).value ?? "[]") as [number, number][];
    return pairs.map(([status, tookMs]): PacedAnswer => ({ status, tookMs }));
  };
  return {
    on: (perSecond = plan.perSecond) => void child.stdin?.write(`on ${perSecond}\n`),
    end,
    async off() {
      const counts: Record<string, number> = {};
      for (const { status } of await end()) counts[status] = (counts[status] ?? 0) + 1;
      return counts;
    },
    pid: child.pid ?? 0,
    close: () => void child.kill("SIGKILL"),
  };
}

async function runChild(plan: PacedPlan): Promise<void> {
  const pusher = openPacedPusher(plan);
  let running: { ending: AbortController; answers: Promise<PacedAnswer[]> } | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, perSecond] = line.split(" ");
    if (word === "on") {
      const ending = new AbortController();
      running = { ending, answers: pusher.push(ending.signal, Number(perSecond)) };
      continue;
    }
    running?.ending.abort();
    const answers = (await running?.answers) ?? [];
    const pairs = answers.map(({ status, tookMs }) => [status, tookMs]);
    process.stdout.write(`${JSON.stringify(pairs)}\n`);
  }
}

if (process.env.PACED_PLAN) await runChild(JSON.parse(process.env.PACED_PLAN) as PacedPlan);
