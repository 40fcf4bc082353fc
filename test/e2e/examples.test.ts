import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const examples = join(root, "examples");
const cache = join(root, ".cache");

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

/** Runs an example as its first lines say, with the variables of demo.env. */
async function runExample(
  program: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const bin = join(root, "node_modules/.bin");
  const env = {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH ?? ""}`,
    ...server.env,
    ...options.env,
  };
  await run(program, args, { cwd: options.cwd ?? root, env, timeout: 150_000 });
}

/** Whether a program is on this machine. An example is only left out where its language is missing. */
async function hasProgram(name: string, args: string[]): Promise<boolean> {
  return run(name, args).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}

async function expectRows(sensor: string, count: number): Promise<void> {
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    const rows = await waitFor(
      async () => {
        const found = await sql`SELECT temperature FROM sensors WHERE sensor_id = ${sensor}`;
        return found.length >= count ? found : undefined;
      },
      { what: `rows of ${sensor}` },
    );
    expect(rows[0]?.temperature).toBe(4.132);
    expect(rows).toHaveLength(count);
  } finally {
    await sql.end();
  }
}

test("F11, F20: the curl example pushes", async () => {
  await runExample("sh", [join(examples, "curl/push.sh")]);
  await expectRows("curl", 2);
});

test("F11: the buf curl example pushes without a schema", async () => {
  await runExample("sh", [join(examples, "buf-curl/push.sh")]);
  await expectRows("buf", 1);
});

test("F11, F20: the TypeScript example pushes", async () => {
  await runExample(process.execPath, [join(examples, "typescript/push.ts")]);
  await expectRows("typescript", 1);
});

test("S17: the JavaScript example pushes to a source", async () => {
  const made = await call<{ url: string; secret: string }>(
    server,
    "management.v1.SourceService/CreateSource",
    { parent: server.env.STREAM, sourceId: "example", source: { apiKey: {} } },
  );
  const env = { SOURCE_URL: made.url, SOURCE_KEY: made.secret };
  await runExample(process.execPath, [join(examples, "javascript/source.js")], { env });
  await expectRows("javascript", 1);
});

test("F11, F20: the Python example pushes with grpcio", async ({ skip }) => {
  if (!(await hasProgram("python3", ["--version"]))) skip("this machine has no Python");
  const packages = await installPython();
  // What `npm run generate` lays out first; a fresh clone has not run it.
  if (!existsSync(join(root, "third_party"))) {
    await run(process.execPath, [join(root, "scripts/third-party.ts")]);
  }
  const stubs = await mkdtemp(join(tmpdir(), "tributary-stubs-"));
  try {
    const path = [stubs, packages].join(delimiter);
    await run("python3", [join(examples, "python/generate.py"), stubs], {
      env: { ...process.env, PYTHONPATH: packages },
    });
    await runExample("python3", [join(examples, "python/push.py")], { env: { PYTHONPATH: path } });
  } finally {
    await rm(stubs, { recursive: true, force: true });
  }
  await expectRows("python", 1);
}, 180_000);

test("F11: the Go example pushes with x/oauth2", async ({ skip }) => {
  if (!(await hasProgram("go", ["version"]))) skip("this machine has no Go");
  const folder = await mkdtemp(join(tmpdir(), "tributary-go-"));
  try {
    await cp(join(examples, "go"), folder, { recursive: true });
    await runExample("go", ["run", "."], { cwd: folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  await expectRows("go", 1);
}, 180_000);

test("F11, F20: the Java example pushes with nothing but the JDK", async ({ skip }) => {
  if (!(await hasProgram("java", ["-version"]))) skip("this machine has no Java");
  if (!(await hasProgram("javac", ["-version"]))) skip("this machine has a JRE and no JDK");
  await runExample("java", [join(examples, "java/Push.java")]);
  await expectRows("java", 1);
}, 60_000);

/** grpcio in a folder of its own, kept for later runs. */
async function installPython(): Promise<string> {
  const target = join(cache, "python-grpc");
  if (existsSync(target)) return target;
  await mkdir(cache, { recursive: true });
  const staged = await mkdtemp(join(cache, "making-"));
  await run(
    "python3",
    ["-m", "pip", "install", "--quiet", "--target", staged, "grpcio", "grpcio-tools"],
    { timeout: 150_000 },
  );
  await rename(staged, target).catch(() => rm(staged, { recursive: true, force: true }));
  return target;
}
