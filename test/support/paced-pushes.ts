/** Pushes at a steady rate, whatever the answers do: in this process, or in one of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

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

/** Pushes until the signal fires, and gives the answers to all of it. */
export async function pushPaced(plan: PacedPlan, signal: AbortSignal): Promise<PacedAnswer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const answers: PacedAnswer[] = [];
  const open = new Set<Promise<void>>();
  const beganAt = performance.now();
  for (let sent = 0; !signal.aborted; ) {
    const due = ((performance.now() - beganAt) / 1000) * plan.perSecond;
    for (; sent < due; sent++) {
      const call = pushOnce(plan, agent).then((answer) => void answers.push(answer));
      open.add(call);
      void call.finally(() => open.delete(call));
    }
    await sleep(2);
  }
  await Promise.all(open);
  agent.destroy();
  return answers;
}

function pushOnce({ url, stream, token }: PacedPlan, agent: Agent): Promise<PacedAnswer> {
  const beganAt = performance.now();
  const body = '[{"value":{"n":1}}]';
  return new Promise((resolve) => {
    const end = (status: number) => resolve({ status, tookMs: performance.now() - beganAt });
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": body.length,
    };
    const call = request(
      `${url}/v1/${stream}/records`,
      { method: "POST", agent, headers },
      (answer) => {
        answer.resume();
        answer.on("end", () => end(answer.statusCode ?? 0));
      },
    );
    call.on("error", () => end(0));
    call.end(body);
  });
}

/** A process that pushes while it is on. */
export interface PacedChild {
  on(): void;
  /** Ends the pushing; gives the number of answers by status since `on`. */
  off(): Promise<Record<string, number>>;
  /** The same, and gives every answer. */
  end(): Promise<PacedAnswer[]>;
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
    on: () => void child.stdin?.write("on\n"),
    end,
    async off() {
      const counts: Record<string, number> = {};
      for (const { status } of await end()) counts[status] = (counts[status] ?? 0) + 1;
      return counts;
    },
    close: () => void child.kill("SIGKILL"),
  };
}

async function runChild(plan: PacedPlan): Promise<void> {
  let running: { ending: AbortController; answers: Promise<PacedAnswer[]> } | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "on") {
      const ending = new AbortController();
      running = { ending, answers: pushPaced(plan, ending.signal) };
      continue;
    }
    running?.ending.abort();
    const answers = (await running?.answers) ?? [];
    const pairs = answers.map(({ status, tookMs }) => [status, tookMs]);
    process.stdout.write(`${JSON.stringify(pairs)}\n`);
  }
}

if (process.env.PACED_PLAN) await runChild(JSON.parse(process.env.PACED_PLAN) as PacedPlan);
