/** Records that wait in a stream, and processes that take them. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { OTHER_CPU, pin } from "./processes.ts";
import { restBody } from "./records.ts";
import type { Rig } from "./rig.ts";

/** Records of a call that fills a backlog. */
export const CALL = 1_000;

/** Pushes `count` records, a multiple of `CALL`. */
export async function pushBacklog({ server }: Rig, stream: string, count: number): Promise<void> {
  const body = restBody(CALL);
  let left = count / CALL;
  const push = async () => {
    while (left-- > 0) {
      const answer = await server.post(`/v1/${stream}/records`, body);
      if (!answer.ok) throw new Error(await answer.text());
      await answer.arrayBuffer();
    }
  };
  await Promise.all([push(), push(), push(), push()]);
}

/** A process that takes what sinks send. */
export interface Taker {
  readonly port: Promise<number>;
  close(): void;
}

/** Starts a script of `limits/`, which prints its port, on the CPU of all others. */
export function startTaker(script: string, ...words: readonly string[]): Taker {
  const child = spawn(process.execPath, [join(import.meta.dirname, "limits", script), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  pin(child.pid!, OTHER_CPU);
  const port = new Promise<number>((resolve) =>
    createInterface({ input: child.stdout }).once("line", (line) => resolve(Number(line))),
  );
  return { port, close: () => void child.kill() };
}
