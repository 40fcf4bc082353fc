import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiError, call, createSink, createStream, push } from "../support/api.ts";
import { type DnsServer, startDnsServer } from "../support/dns-server.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

const HOST = "hooks.example.com";
const SETTINGS = "projects/demo/ownershipSettings";
let dns: DnsServer;
let server: TestServer;
let stream: string;
let key: string;
const bodies: string[] = [];
/** What GET is answered with. */
let answer: (response: ServerResponse) => void;
const plain = (text: string) => (response: ServerResponse) =>
  response.writeHead(200, { "content-type": "text/plain" }).end(text);
const nothing = (response: ServerResponse) => response.writeHead(404).end("no such page");
const receiver = createServer((request: IncomingMessage, response: ServerResponse) => {
  if (request.method === "GET") return answer(response);
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on("end", () => {
    bodies.push(body);
    response.writeHead(200).end("thank you");
  });
});
const url = (path = "/") => `http://${HOST}:${(receiver.address() as AddressInfo).port}${path}`;
const address = { A: ["127.0.0.1"] };
const withText = (...TXT: string[][]) => ({ [HOST]: address, [`_tributary.${HOST}`]: { TXT } });
const project = <T>(method: string, request: object) =>
  call<T>(server, `management.v1.ProjectService/${method}`, request);
let made = 0;
const save = () => createSink(server, stream, { id: `hook-${made++}`, webhook: { url: url() } });

beforeAll(async () => {
  dns = await startDnsServer();
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  server = await startServer({ env: { TRIBUTARY_DNS_SERVERS: dns.address } });
  stream = await createStream(server, "proven", { fields: { n: "LONG" } });
  const { settings } = await project<{ settings: { verificationKey: string } }>(
    "UpdateOwnershipSettings",
    { settings: { name: SETTINGS, requirement: "ALL_HOSTS" } },
  );
  key = settings.verificationKey;
});
afterAll(async () => {
  await server?.close();
  await dns?.close();
  receiver.close();
});

test("G17: with neither proof the sink is refused, each cause is named, and nothing is saved", async () => {
  await dns.set({ [HOST]: address });
  answer = nothing;
  const error = await save().catch((caught: ApiError) => caught);
  expect(error).toMatchObject({ code: "failed_precondition", reason: "OWNERSHIP_UNPROVEN" });
  const { text } = error as ApiError;
  expect(text).toContain(`DNS: _tributary.${HOST} cannot be resolved: ENOTFOUND`);
  expect(text).toContain('HTTP: GET was answered with 404 and "no such page"');
  const list = await call(server, "management.v1.SinkService/ListSinks", { parent: stream });
  expect(list).toEqual({});
  expect(bodies).toEqual([]);
});

describe("G18: by DNS", () => {
  test("the TXT record passes, also in several strings and beside others", async () => {
    answer = nothing;
    await dns.set(withText(["other=1"], [`tributary=${key.slice(0, 5)}`, key.slice(5)]));
    expect(await save()).toMatchObject({ uid: expect.any(String) });
  });

  test("another record does not, and is shown", async () => {
    answer = nothing;
    await dns.set(withText([`tributary=${key} `]));
    const error = await save().catch((caught: ApiError) => caught);
    expect((error as ApiError).text).toContain(`it has "tributary=${key} "`);
  });

  test("both prefixes are the project's to choose", async () => {
    answer = nothing;
    const prefixes = { hostPrefix: "_getstream", valuePrefix: "getstream=" };
    await project("UpdateOwnershipSettings", { settings: { name: SETTINGS, ...prefixes } });
    await dns.set(withText([`tributary=${key}`]));
    await expect(save()).rejects.toMatchObject({ reason: "OWNERSHIP_UNPROVEN" });
    await dns.set({ [HOST]: address, [`_getstream.${HOST}`]: { TXT: [[`getstream=${key}`]] } });
    await save();
    await project("UpdateOwnershipSettings", {
      settings: { name: SETTINGS },
      updateMask: "hostPrefix,valuePrefix",
    });
  });
});

describe("G19: by GET", () => {
  test("the key alone as plain text passes", async () => {
    await dns.set({ [HOST]: address });
    answer = plain(key);
    await save();
  });

  test.each<[string, (key: string) => (response: ServerResponse) => void, string]>([
    ["markup", (k) => plain(`<p>${k}</p>`), "markup"],
    ["white space", (k) => plain(`${k}\n`), "white space around the key"],
    ["something else", () => plain("hello"), '"hello" instead of the verification key'],
    ["nothing", () => plain(""), "answered with nothing"],
    [
      "a redirect",
      () => (response) => response.writeHead(302, { location: "/key" }).end(),
      "a redirect (302)",
    ],
    [
      "another type",
      (k) => (response) => response.writeHead(200, { "content-type": "text/html" }).end(k),
      '"text/html" instead of text/plain',
    ],
  ])("%s does not, and is named", async (_, answerOf, seen) => {
    await dns.set({ [HOST]: address });
    answer = answerOf(key);
    const error = await save().catch((caught: ApiError) => caught);
    expect(error).toMatchObject({ reason: "OWNERSHIP_UNPROVEN" });
    expect((error as ApiError).text).toContain(seen);
  });

  test("an older key does not, and is told apart", async () => {
    await dns.set({ [HOST]: address });
    answer = plain(key);
    const { settings } = await project<{ settings: { verificationKey: string } }>(
      "RotateVerificationKey",
      { name: SETTINGS },
    );
    expect(settings.verificationKey).not.toBe(key);
    const error = await save().catch((caught: ApiError) => caught);
    key = settings.verificationKey;
    expect((error as ApiError).text).toContain("an older verification key");
  });
});

test("G17, G21: a change of the URL is proven again; what was saved goes on and gets the next record", async () => {
  await dns.set({ [HOST]: address });
  answer = plain(key);
  const live = await createStream(server, "live", { fields: { n: "LONG" } });
  const { name } = await createSink(server, live, { id: "hook", webhook: { url: url() } });
  answer = nothing;
  const update = (webhook: object) =>
    call(server, "management.v1.SinkService/UpdateSink", {
      sink: { name, webhook },
      updateMask: "webhook",
    });
  await expect(update({ url: url("/new") })).rejects.toMatchObject({
    reason: "OWNERSHIP_UNPROVEN",
  });
  await update({ url: url(), headers: { "x-a": "b" } });
  bodies.length = 0;
  await push(server, live, [{ n: 1 }]);
  await waitFor(() => bodies.includes('[{"n":1}]'), { what: "the record" });
});

test("G20: TestSink shows the proof, then a test request with status, latency and answer", async () => {
  await dns.set({ [HOST]: address });
  answer = plain("nope");
  interface Stage {
    name: string;
    ok?: boolean;
    message: string;
    durationUs: string;
  }
  const run = () =>
    call<{ ok?: boolean; stages: Stage[] }>(server, "management.v1.SinkService/TestSink", {
      parent: stream,
      sink: { webhook: { url: url() } },
    });
  const bad = await run();
  expect(bad.ok).toBeUndefined();
  expect(bad.stages.map(({ name, ok }) => [name, ok === true])).toEqual([
    ["ownership", false],
    ["resolve", true],
    ["connect", true],
    ["write", true],
  ]);
  expect(bad.stages[0]?.message).toMatch(/DNS: .*ENOTFOUND.*HTTP: .*"nope"/);
  answer = plain(key);
  const good = await run();
  expect(good.ok).toBe(true);
  const write = good.stages.at(-1)!;
  expect(write.message).toBe("the endpoint answered 200: thank you");
  expect(Number(write.durationUs)).toBeGreaterThan(0);
});

test("G17: loopback hosts need no proof unless the project asks, and a project may turn it off", async () => {
  await dns.set({ [HOST]: address });
  answer = nothing;
  for (const requirement of ["PUBLIC_HOSTS", "OFF"]) {
    await project("UpdateOwnershipSettings", { settings: { name: SETTINGS, requirement } });
    await save();
  }
  const settings = { name: SETTINGS, requirement: "PUBLIC_HOSTS" };
  await project("UpdateOwnershipSettings", { settings });
  await dns.set({ [HOST]: { A: ["8.8.8.8"] }, [`_tributary.${HOST}`]: { TXT: [["x"]] } });
  await expect(save()).rejects.toMatchObject({ reason: "OWNERSHIP_UNPROVEN" });
});
