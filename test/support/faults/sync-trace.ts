/** Watches, by strace, whether nats-server syncs a block of a stream before it answers its publishers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const CALLS = "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync";

/** What was seen. */
export interface SyncFigures {
  /** Answers to publishes. */
  readonly answers: number;
  readonly syncs: number;
  /** Answers that went out while a block of their stream was written and not synced. */
  readonly early: number;
}

/** A running trace. */
export interface SyncTrace {
  /** Ends it, and judges what it saw. */
  end(): Promise<SyncFigures>;
}

/** Attaches to a nats-server, all its threads. */
export async function traceSyncs(pid: number): Promise<SyncTrace> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-trace-"));
  const file = join(folder, "trace");
  const words = ["-f", "-y", "-s", "400", "-e", `trace=${CALLS}`, "-o", file, "-p", String(pid)];
  const child = spawn("strace", words, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`strace ended: ${text}`)));
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("attached")) resolve();
    });
  });
  return {
    async end() {
      child.kill("SIGINT");
      await exited;
      const figures = await judge(file);
      await rm(folder, { recursive: true, force: true });
      return figures;
    },
  };
}

const BLOCK =
  /^(\d+) +(write|pwrite64|pwritev2?|writev)\(\d+<[^>]*\/streams\/([^/]+)\/msgs\/([^>/]+\.blk)>/;
const SYNC = /^(\d+) +f(?:data)?sync\(\d+<[^>]*\/streams\/([^/]+)\/msgs\/([^>/]+\.blk)>(.*)$/;
const SYNCED = /^(\d+) +<\.\.\. f(?:data)?sync resumed>/;
const ANSWER = /^\d+ +writev?\(\d+<socket:/;
const ANSWERED = /\{\\"stream\\":\\"([^"\\]+)\\",\s*\\"seq\\":\d+/g;

/** Reads the trace line by line: calls of several threads are interleaved, some in two halves. */
async function judge(file: string): Promise<SyncFigures> {
  const dirty = new Map<string, Set<string>>();
  const syncing = new Map<string, { stream: string; block: string }>();
  let [answers, syncs, early] = [0, 0, 0];
  const synced = ({ stream, block }: { stream: string; block: string }) => {
    syncs += 1;
    dirty.get(stream)?.delete(block);
  };
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const [, , , stream = "", block = ""] = BLOCK.exec(line) ?? [];
    if (stream) dirty.set(stream, (dirty.get(stream) ?? new Set()).add(block));
    const sync = SYNC.exec(line);
    if (sync) {
      const [, pid = "", of = "", which = "", rest = ""] = sync;
      if (rest.includes("unfinished")) syncing.set(pid, { stream: of, block: which });
      else synced({ stream: of, block: which });
    }
    const resumed = syncing.get(SYNCED.exec(line)?.[1] ?? "");
    if (resumed) synced(resumed);
    if (!ANSWER.test(line)) continue;
    for (const [, name = ""] of line.matchAll(ANSWERED)) {
      answers += 1;
      if ((dirty.get(name)?.size ?? 0) > 0) early += 1;
    }
  }
  return { answers, syncs, early };
}
