import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/core/logger.ts";
import { openConsole } from "../../src/server/console.ts";
import { createPort, type Port } from "../../src/server/listen.ts";
import { createServerHandler } from "../../src/server/router.ts";

const PAGE = "<!doctype html><title>Console</title>";
const SCRIPT = "console.log(1);".repeat(100);
const BROWSER = { accept: "text/html,*/*;q=0.8" };

let folder: string;
let port: Port;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-console-"));
  mkdirSync(join(folder, "assets"));
  for (const [name, text] of [
    ["index.html", PAGE],
    ["assets/main-1a2b.js", SCRIPT],
  ] as const) {
    writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, `${name}.gz`), gzipSync(text));
    writeFileSync(join(folder, `${name}.br`), brotliCompressSync(text));
  }
  const handler = createServerHandler({
    services: [],
    logger: silentLogger,
    console: openConsole(folder),
  } as unknown as Parameters<typeof createServerHandler>[0]);
  port = await createPort({
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    handler: handler.handle,
  });
});
afterAll(async () => {
  await port?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`http://127.0.0.1:${port.port}${path}`, { headers, method });

test("a browser gets the page at / and at every address of the console; curl gets plain text", async () => {
  for (const path of ["/", "/projects/demo", "/projects/demo/streams/sensors/live"]) {
    const answer = await ask(path, BROWSER);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(PAGE);
  }
  const plain = await ask("/", { accept: "*/*" });
  expect(plain.headers.get("content-type")).toBe("text/plain; charset=utf-8");
});

test("what belongs to programs stays an error in JSON, also for a browser", async () => {
  for (const path of ["/v1/nothing", "/in/nothing", "/tributary.x.v1.Y/Z", "/assets/gone.js"]) {
    const answer = await ask(path, BROWSER);
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toMatch(/json/);
  }
  expect((await ask("/projects/demo")).status).toBe(404);
  expect((await ask("/projects/demo", BROWSER, "POST")).status).toBe(404);
  expect((await ask("/healthz", BROWSER)).headers.get("content-type")).not.toMatch(/html/);
});

test("the policy lets the page load from here alone, and nothing inline", async () => {
  const answer = await ask("/", BROWSER);
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toMatch(/unsafe|data:|https?:/);
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
});

test("hashed files are kept for good, the page is asked for again and answered with 304", async () => {
  const script = await ask("/assets/main-1a2b.js");
  expect(await script.text()).toBe(SCRIPT);
  expect(script.headers.get("content-type")).toMatch(/javascript/);
  expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  const first = await ask("/", BROWSER);
  expect(first.headers.get("cache-control")).toBe("no-cache");
  const etag = first.headers.get("etag") ?? "";
  const second = await ask("/", { ...BROWSER, "if-none-match": `"other", W/${etag}` });
  expect(second.status).toBe(304);
});

test("files go out as the build compressed them, by what the browser takes, each with its own tag", async () => {
  const tags = new Set<string | null>();
  for (const [accepted, encoding] of [
    ["gzip, deflate, br", "br"],
    ["gzip", "gzip"],
    ["br;q=0, gzip;q=0.5", "gzip"],
    ["identity", null],
  ] as const) {
    const answer = await ask("/assets/main-1a2b.js", { "accept-encoding": accepted });
    expect(answer.headers.get("content-encoding")).toBe(encoding);
    expect(answer.headers.get("vary")).toMatch(/accept-encoding/);
    expect(await answer.text()).toBe(SCRIPT);
    tags.add(answer.headers.get("etag"));
  }
  expect(tags.size).toBe(3);
});

test("without a built console the server has none", () => {
  expect(openConsole(join(folder, "assets"))).toBeUndefined();
});
