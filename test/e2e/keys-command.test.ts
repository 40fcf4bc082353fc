import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../../src/main.ts");
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

async function keys(...words: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [MAIN, "keys", ...words], {
    env: { PATH: process.env.PATH, TRIBUTARY_DATA_DIR: server.dataDir },
    timeout: 60_000,
  });
  return stdout;
}

async function published(): Promise<string[]> {
  const answer = await fetch(`${server.url}/.well-known/jwks.json`);
  return ((await answer.json()) as { keys: { kid: string }[] }).keys.map((key) => key.kid);
}

test("check 13, E13: keys rotate adds a key beside the running server, which takes old tokens on", async () => {
  const [old = ""] = await published();
  expect(await keys("list")).toMatch(new RegExp(`^${old}  ES256  signs since [\\dTZ:-]+\\n$`));
  const lines = (await keys("rotate")).trim().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(new RegExp(`^${old}  ES256  signs since .*, leaves at `));
  expect(lines[1]).toMatch(/^[\w-]{43} {2}ES256 {2}signs from /);
  expect((await server.get("/v1/projects/demo")).status).toBe(200);
});

test("what is no command of keys is named with the usage", async () => {
  await expect(keys("destroy")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("unknown command: keys destroy"),
  });
});
