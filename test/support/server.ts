/** The real server as a child process, as `npm start` runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endOrphan } from "../../src/embedded/orphan.ts";
import { noteSecret, refuseSpilledSecrets } from "./secret-watch.ts";

const root = join(import.meta.dirname, "../..");

/** What a client of the server needs; stays good over restarts on one port. */
export interface Target {
  readonly url: string;
  /** An access token of the demo application, fresh for some minutes. */
  token(): Promise<string>;
}

/** A running server with its demo project. */
export interface TestServer extends Target {
  readonly dataDir: string;
  /** Lines of demo.env. */
  readonly env: Record<string, string>;
  readonly child: ChildProcess;
  /** Milliseconds from the start of the process to its `ready`. */
  readonly startMs: number;
  /** What it printed so far. */
  output(): string;
  /** POSTs JSON to a path with the token. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string): Promise<Response>;
  /** Sends a signal and waits for the end; gives the exit code (null after a signal). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Stops it, and what a killed one left running, looks for secrets in what it kept, and deletes its data. */
  close(): Promise<void>;
}

/** How a server is started. */
export interface ServerOptions {
  /** Goes on with the data of an earlier one. */
  readonly dataDir?: string;
  readonly env?: Record<string, string>;
  /** A port that stays the same over restarts; 0 picks one. */
  readonly port?: number;
  /** The folder of another version of this repository; this one by default. */
  readonly root?: string;
  /** Program and words, from the root of the repository; the server as `npm start` runs it when left out. */
  readonly entry?: readonly string[];
}

/** Starts a server on a free port. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? makeDataDir();
  const startedAt = performance.now();
  const launched = launchServer({ ...options, dataDir });
  const { child, output, exited } = launched;
  await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${output()}`);
      return /^ready/m.test(output()) && existsSync(join(dataDir, "demo.env"));
    },
    { timeoutMs: 90_000, what: () => `the server to be ready: ${output()}` },
  );
  const startMs = performance.now() - startedAt;
  const env = readEnv(join(dataDir, "demo.env"));
  // Behind one PUBLIC_URL several nodes have addresses of their own.
  const url = options.port ? `http://127.0.0.1:${options.port}` : (env.TRIBUTARY_URL ?? "");
  const token = createTokenCache(url, env);
  const stop = (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    return exited;
  };
  return {
    url,
    dataDir,
    env,
    child,
    startMs,
    output,
    token,
    post: async (path, body, headers = {}) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${await token()}`,
          "content-type": "application/json",
          ...headers,
        },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    get: async (path) =>
      fetch(`${url}${path}`, { headers: { authorization: `Bearer ${await token()}` } }),
    stop,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) await stop();
      await endEmbedded(dataDir);
      try {
        await refuseSpilledSecrets(output(), dataDir);
      } finally {
        await removeData(dataDir);
      }
    },
  };
}

/** A server process whose end or start the caller awaits. */
export interface LaunchedServer {
  readonly child: ChildProcess;
  output(): string;
  readonly exited: Promise<number | null>;
}

/** Starts the process and does not wait for it to be ready. */
export function launchServer(options: ServerOptions & { dataDir: string }): LaunchedServer {
  let text = "";
  const from = options.root ?? root;
  const [program = "src/main.ts", ...words] = options.entry ?? ["src/main.ts", "serve"];
  const child = spawn(process.execPath, [join(from, program), ...words], {
    cwd: from,
    env: {
      ...process.env,
      PORT: String(options.port ?? 0),
      LOG_LEVEL: "warn",
      TRIBUTARY_DATA_DIR: options.dataDir,
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (chunk) => (text += chunk));
  child.stderr?.on("data", (chunk) => (text += chunk));
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { child, output: () => text, exited };
}

/** A folder that the embedded Postgres' user can enter. */
export function makeDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "tributary-"));
  chmodSync(dir, 0o755);
  return join(dir, "data");
}

/** Ends the embedded servers that a killed server left behind, and deletes its data. */
export async function removeData(dataDir: string): Promise<void> {
  await endEmbedded(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
  const parent = dirname(dataDir);
  if (/\/tributary-[^/]+$/.test(parent)) rmSync(parent, { recursive: true, force: true });
}

/** Ends the embedded servers that a killed server left running on its data. */
export async function endEmbedded(dataDir: string): Promise<void> {
  await Promise.all(["nats", "postgres"].map((name) => endOrphan(recordFile(dataDir, name))));
}

/** Process id of an embedded server, from the record that the next start would use. */
export function embeddedPid(dataDir: string, name: "nats" | "postgres"): number {
  const { pid } = JSON.parse(readFileSync(recordFile(dataDir, name), "utf8")) as { pid: number };
  return pid;
}

function recordFile(dataDir: string, name: string): string {
  return join(dataDir, name, "process.json");
}

/** Waits until a condition holds; fails with what was awaited. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; what?: string | (() => string); everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + (options.timeoutMs ?? 15_000);
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    if (performance.now() > end) {
      const what =
        typeof options.what === "function" ? options.what() : (options.what ?? "a condition");
      throw new Error(`waited in vain for ${what}`);
    }
    await sleep(options.everyMs ?? 20);
  }
}

/** A token by HTTP, as any client gets it. */
export async function fetchToken(
  url: string,
  env: { CLIENT_ID?: string; CLIENT_SECRET?: string },
): Promise<string> {
  const basic = Buffer.from(`${env.CLIENT_ID}:${env.CLIENT_SECRET}`).toString("base64");
  const answer = await fetch(`${url}/oauth2/token`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const body = (await answer.json()) as { access_token?: string };
  if (!body.access_token) throw new Error(`no token: ${answer.status} ${JSON.stringify(body)}`);
  noteSecret(body.access_token);
  return body.access_token;
}

/** Fetches a token when the last one is older than 5 minutes. */
export function createTokenCache(
  url: string,
  env: { CLIENT_ID?: string; CLIENT_SECRET?: string },
): () => Promise<string> {
  let token: { text: string; untilMs: number } | undefined;
  return async () => {
    if (!token || token.untilMs < Date.now()) {
      token = { text: await fetchToken(url, env), untilMs: Date.now() + 300_000 };
    }
    return token.text;
  };
}

function readEnv(file: string): Record<string, string> {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)]),
  );
}
