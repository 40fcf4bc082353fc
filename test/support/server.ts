/** The real server as a child process, as `npm start` runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const root = join(import.meta.dirname, "../..");

/** A running server with its demo project. */
export interface TestServer {
  readonly url: string;
  readonly dataDir: string;
  /** Lines of demo.env. */
  readonly env: Record<string, string>;
  readonly child: ChildProcess;
  /** What it printed so far. */
  output(): string;
  /** An access token of the demo application, fresh for some minutes. */
  token(): Promise<string>;
  /** POSTs JSON to a path with the token. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string): Promise<Response>;
  /** Sends a signal and waits for the end; gives the exit code (null after a signal). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Stops it and deletes its data. */
  close(): Promise<void>;
}

/** Starts a server on a free port; `dataDir` goes on with the data of an earlier one. */
export async function startServer(
  options: { dataDir?: string; env?: Record<string, string> } = {},
): Promise<TestServer> {
  const dataDir = options.dataDir ?? makeDataDir();
  let text = "";
  const child = spawn(process.execPath, [join(root, "src/main.ts"), "serve"], {
    cwd: root,
    env: {
      ...process.env,
      PORT: "0",
      LOG_LEVEL: "warn",
      TRIBUTARY_DATA_DIR: dataDir,
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (chunk) => (text += chunk));
  child.stderr?.on("data", (chunk) => (text += chunk));
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${text}`);
      return /^ready/m.test(text) && existsSync(join(dataDir, "demo.env"));
    },
    { timeoutMs: 90_000, what: () => `the server to be ready: ${text}` },
  );
  const env = readEnv(join(dataDir, "demo.env"));
  const url = env.TRIBUTARY_URL ?? "";
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    return exited;
  };
  let token: { text: string; untilMs: number } | undefined;
  const getToken = async () => {
    if (!token || token.untilMs < Date.now()) {
      token = { text: await fetchToken(url, env), untilMs: Date.now() + 300_000 };
    }
    return token.text;
  };
  return {
    url,
    dataDir,
    env,
    child,
    output: () => text,
    token: getToken,
    post: async (path, body, headers = {}) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${await getToken()}`,
          "content-type": "application/json",
          ...headers,
        },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    get: async (path) =>
      fetch(`${url}${path}`, { headers: { authorization: `Bearer ${await getToken()}` } }),
    stop,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A folder that the embedded Postgres' user can enter. */
export function makeDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "tributary-"));
  chmodSync(dir, 0o755);
  return join(dir, "data");
}

/** Waits until a condition holds; fails with what was awaited. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; what?: string | (() => string) } = {},
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
    await sleep(20);
  }
}

/** A token by HTTP, as any client gets it. */
export async function fetchToken(url: string, env: Record<string, string>): Promise<string> {
  const basic = Buffer.from(`${env.CLIENT_ID}:${env.CLIENT_SECRET}`).toString("base64");
  const answer = await fetch(`${url}/oauth2/token`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const body = (await answer.json()) as { access_token?: string };
  if (!body.access_token) throw new Error(`no token: ${answer.status} ${JSON.stringify(body)}`);
  return body.access_token;
}

function readEnv(file: string): Record<string, string> {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)]),
  );
}
