import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createSink, createStream, getSink, push } from "../support/api.ts";
import { startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

interface VersionView {
  name: string;
  number: string;
  action: string;
  author?: string;
  createTime: string;
  stream?: { displayName?: string; schema: { fields: { name: string }[] }; retention: object };
  sink?: { displayName?: string; webhook?: { url: string; signingSecret?: string } };
  source?: { displayName?: string };
}
const manage = <T>(method: string, request: unknown) =>
  call<T>(server, `management.v1.${method}`, request);
const versionsOf = async (parent: string) =>
  (await manage<{ versions: VersionView[] }>("VersionService/ListVersions", { parent })).versions;
const compare = async (parent: string, from: number, to = 0) =>
  (
    await manage<{ changes?: { path: string; before?: string; after?: string }[] }>(
      "VersionService/CompareVersions",
      { parent, from: String(from), to: String(to) },
    )
  ).changes ?? [];

test("B09: every change of a stream is a version with author and time; it goes back, and pushes follow", async () => {
  const name = await createStream(server, "versioned", { fields: { n: "LONG" } });
  await manage("StreamService/UpdateStream", {
    stream: {
      name,
      schema: {
        fields: [
          { name: "n", type: "LONG" },
          { name: "note", type: "STRING", nullable: true },
        ],
      },
    },
    updateMask: "schema",
  });
  await manage("StreamService/UpdateStream", {
    stream: { name, displayName: "Second name" },
    updateMask: "displayName",
  });
  const versions = await versionsOf(name);
  expect(versions.map(({ number, action }) => [number, action])).toEqual([
    ["3", "UPDATE"],
    ["2", "UPDATE"],
    ["1", "CREATE"],
  ]);
  expect(versions.every(({ author }) => author === server.env.CLIENT_ID)).toBe(true);
  expect(versions.every((v) => Math.abs(Date.parse(v.createTime) - Date.now()) < 60_000)).toBe(
    true,
  );
  expect(versions[2]?.stream?.schema.fields.map((field) => field.name)).toEqual(["n"]);
  expect(await compare(name, 2)).toEqual([
    { path: "displayName", before: '"versioned"', after: '"Second name"' },
  ]);
  expect((await compare(name, 1, 2)).map(({ path }) => path)).toEqual(["schema.fields"]);
  expect((await push(server, name, [{ n: 1, note: "x" }])).status).toBe(200);
  const restored = await manage<{ version: VersionView }>("VersionService/RestoreVersion", {
    name: `${name}/versions/1`,
  });
  expect(restored.version).toMatchObject({ number: "4", action: "UPDATE" });
  expect(await compare(name, 1, 4)).toEqual([]);
  expect((await push(server, name, [{ n: 1, note: "x" }])).status).toBe(400);
}, 120_000);

test("B09: a sink goes back to an earlier destination with the secret it had, which no version shows", async () => {
  const otherSecret = Buffer.from("a second secret, of 32 bytes, ok").toString("base64");
  const [first, second] = await Promise.all([startReceiver(), startReceiver()]);
  const stream = await createStream(server, "hooks", { fields: { n: "LONG" } });
  const made = await createSink(server, stream, { id: "hook", webhook: { url: first.url } });
  first.secret = made.webhook?.signingSecret;
  expect(first.secret).toMatch(/^whsec_/);
  await manage("SinkService/UpdateSink", {
    sink: {
      name: made.name,
      webhook: { url: second.url, signingSecret: `whsec_${otherSecret}` },
    },
    updateMask: "webhook",
  });
  await push(server, stream, [{ n: 1 }]);
  await waitFor(() => second.accepted().length === 1, { what: "the second receiver" });
  const versions = await versionsOf(made.name);
  expect(versions.map((v) => v.sink?.webhook?.url)).toEqual([second.url, first.url]);
  const text = JSON.stringify([versions, await compare(made.name, 1)]);
  expect(text).not.toContain(first.secret);
  expect(text).not.toContain(otherSecret);
  await manage("VersionService/RestoreVersion", { name: `${made.name}/versions/1` });
  expect((await getSink(server, made.name)).webhook?.url).toBe(first.url);
  await push(server, stream, [{ n: 2 }]);
  await waitFor(() => first.accepted().length === 1, { what: "the first receiver" });
  expect(first.faults).toEqual([]);
  await Promise.all([first.close(), second.close()]);
}, 120_000);

test("B09: a source has versions too; what does not exist has none", async () => {
  const stream = await createStream(server, "sourced", { fields: { n: "LONG" } });
  const { source } = await manage<{ source: { name: string } }>("SourceService/CreateSource", {
    parent: stream,
    sourceId: "in",
    source: { apiKey: {} },
  });
  await manage("SourceService/UpdateSource", {
    source: { name: source.name, displayName: "Renamed" },
    updateMask: "displayName",
  });
  expect((await versionsOf(source.name)).map((v) => v.source?.displayName)).toEqual([
    "Renamed",
    "in",
  ]);
  await manage("VersionService/RestoreVersion", { name: `${source.name}/versions/1` });
  const { source: now } = await manage<{ source: { displayName: string } }>(
    "SourceService/GetSource",
    { name: source.name },
  );
  expect(now.displayName).toBe("in");
  await expect(versionsOf(`${stream}/sinks/none`)).rejects.toThrow(/does not exist/);
  const rest = await server.get(`/v1/${source.name}/versions/2`);
  expect(((await rest.json()) as { version: VersionView }).version.number).toBe("2");
}, 120_000);
