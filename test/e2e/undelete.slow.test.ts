import { afterAll, beforeAll, expect, test } from "vitest";
import {
  call,
  countsOf,
  createApplication,
  createGrant,
  createSink,
  createStream,
  listAll,
  push,
  schemaOf,
} from "../support/api.ts";
import { startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

interface DeletedView {
  name: string;
  resource: string;
  author?: string;
  deleteTime: string;
  purgeTime: string;
}
const manage = <T>(method: string, request: unknown) =>
  call<T>(server, `management.v1.${method}`, request);
const deletedOf = async (resource: string) => {
  const { deleted = [] } = await manage<{ deleted?: DeletedView[] }>("DeletedService/ListDeleted", {
    parent: "projects/demo",
  });
  return deleted.find((each) => each.resource === resource);
};

test.concurrent("B09: a deleted sink comes back with identity, secret and position, and delivers what came meanwhile once", async () => {
  const receiver = await startReceiver();
  const stream = await createStream(server, "undeleted", { fields: { n: "LONG" } });
  const made = await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
  receiver.secret = made.webhook?.signingSecret;
  await push(server, stream, [{ n: 1 }]);
  await waitFor(() => receiver.accepted().length === 1, { what: "the first record" });
  await manage("SinkService/DeleteSink", { name: made.name });
  await expect(countsOf(server, made.name)).rejects.toThrow(/does not exist/);
  await push(server, stream, [{ n: 2 }]);
  const deleted = await deletedOf(made.name);
  expect(deleted).toMatchObject({ author: server.env.CLIENT_ID });
  const days =
    (Date.parse(deleted?.purgeTime ?? "") - Date.parse(deleted?.deleteTime ?? "")) / 86_400_000;
  expect(days).toBe(7);
  // Longer than delivery needs to see that it is gone, and to sweep.
  await new Promise((resolve) => setTimeout(resolve, 40_000));
  const back = await manage<{ resource: string }>("DeletedService/Undelete", {
    name: deleted?.name,
  });
  expect(back.resource).toBe(made.name);
  await waitFor(() => receiver.accepted().length === 2, { what: "the second record" });
  expect(receiver.accepted().map((record) => record.n)).toEqual([1, 2]);
  expect(receiver.faults).toEqual([]);
  expect(await countsOf(server, made.name)).toMatchObject({ delivered: 2, pushed: 2 });
  const { versions } = await manage<{ versions: { action: string }[] }>(
    "VersionService/ListVersions",
    { parent: made.name },
  );
  expect(versions.map(({ action }) => action)).toEqual(["UNDELETE", "DELETE", "CREATE"]);
  expect(await deletedOf(made.name)).toBeUndefined();
  await receiver.close();
}, 120_000);

test.concurrent("B09: a name is free at once; what took it is in the way of the undeletion; purge is for good", async () => {
  const stream = await createStream(server, "names", { fields: { n: "LONG" } });
  const create = () =>
    manage<{ source: { name: string }; secret: string; url: string }>(
      "SourceService/CreateSource",
      {
        parent: stream,
        sourceId: "in",
        source: { apiKey: {} },
      },
    );
  const first = await create();
  const { name } = first.source;
  const send = () =>
    fetch(first.url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": first.secret },
      body: JSON.stringify({ n: 1 }),
    });
  expect((await send()).status).toBe(200);
  await manage("SourceService/DeleteSource", { name });
  expect((await send()).status).toBe(404);
  const deleted = await deletedOf(name);
  await create();
  const undelete = () => manage("DeletedService/Undelete", { name: deleted?.name });
  await expect(undelete()).rejects.toThrow(/exists already/);
  await manage("SourceService/DeleteSource", { name });
  await undelete();
  expect((await send()).status).toBe(200);
  const second = await deletedOf(name);
  await manage("DeletedService/PurgeDeleted", { name: second?.name });
  await expect(manage("DeletedService/Undelete", { name: second?.name })).rejects.toThrow(
    /does not exist/,
  );
  await manage("SourceService/DeleteSource", { name });
  const third = await deletedOf(name);
  const undeleteThird = () => manage("DeletedService/Undelete", { name: third?.name });
  await manage("StreamService/DeleteStream", { name: stream });
  await expect(undeleteThird()).rejects.toThrow(/is gone/);
  await createStream(server, "names", { fields: { n: "LONG" } });
  await expect(undeleteThird()).rejects.toThrow(/is another one by now/);
  await manage("StreamService/DeleteStream", { name: stream });
  // The first of the two, which the name alone does not mean.
  const { streams } = await listStreams({ parent: "projects/demo", showDeleted: true });
  const { uid } = streams.filter((each) => each.name === stream).at(-1)!;
  await manage("StreamService/UndeleteStream", { name: stream, uid });
  await undeleteThird();
  expect((await send()).status).toBe(200);
}, 120_000);

interface StreamView {
  name: string;
  uid: string;
  deleteTime?: string;
  purgeTime?: string;
  schemaVersion?: string;
}
const listStreams = (request: unknown) =>
  manage<{ streams: StreamView[]; nextPageToken?: string }>("StreamService/ListStreams", request);

test.concurrent("B09: a deleted stream comes back with all that belonged to it, and its sink goes on where it was", async () => {
  const receiver = await startReceiver();
  const stream = await createStream(server, "whole", { fields: { k: "STRING" }, keyFields: ["k"] });
  const made = await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
  receiver.secret = made.webhook?.signingSecret;
  const source = await manage<{ source: { name: string }; secret: string; url: string }>(
    "SourceService/CreateSource",
    { parent: stream, sourceId: "in", source: { apiKey: {} } },
  );
  const send = (n: number) =>
    fetch(source.url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": source.secret },
      body: JSON.stringify({ k: "a", n }),
    });
  const { clientId } = await createApplication(server, "reader", ["api:use-streams-read"]);
  const grantee = await createApplication(server, "gone", ["api:use-streams-read"]);
  for (const each of [clientId, grantee.clientId]) {
    await createGrant(server, stream, { clientId: each, role: "VIEWER" });
  }
  await push(server, stream, [{ k: "a" }]);
  await waitFor(() => receiver.accepted().length === 1, { what: "the first record" });
  await manage("SinkService/PauseSink", { name: made.name });
  await manage("StreamService/UpdateStream", {
    stream: { name: stream, schema: schemaOf({ k: "STRING", n: "LONG?" }) },
  });
  expect((await send(2)).status).toBe(200);
  const before = await listAll(server, stream);
  const view = async () => (await manage<{ stream: StreamView }>(get, { name: stream })).stream;
  const get = "StreamService/GetStream";
  const was = await view();

  await manage("StreamService/DeleteStream", { name: stream });
  await expect(view()).rejects.toThrow(/does not exist/);
  expect((await send(3)).status).toBe(404);
  const all = await listStreams({ parent: "projects/demo", showDeleted: true });
  const gone = all.streams.find(({ uid }) => uid === was.uid);
  expect(gone).toMatchObject({ name: stream, schemaVersion: "2" });
  const keptMs = Date.parse(gone?.purgeTime ?? "") - Date.parse(gone?.deleteTime ?? "");
  expect(keptMs).toBe(7 * 86_400_000);
  const { streams } = await listStreams({ parent: "projects/demo" });
  expect(streams.some(({ uid }) => uid === was.uid)).toBe(false);
  // Page by page it is the same list.
  const paged: StreamView[] = [];
  for (let pageToken = ""; ; ) {
    const query = { parent: "projects/demo", showDeleted: true, pageSize: 1, pageToken };
    const page = await listStreams(query);
    paged.push(...page.streams);
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  const uids = all.streams.map(({ uid }) => uid);
  // Tests beside this one make and delete streams of their own meanwhile.
  expect(paged.map(({ uid }) => uid).filter((uid) => uids.includes(uid))).toEqual(uids);
  expect(paged.find(({ uid }) => uid === was.uid)).toEqual(gone);
  // The name is free, and what took it is in the way.
  await createStream(server, "whole", { fields: { n: "LONG" } });
  const undelete = () => manage("StreamService/UndeleteStream", { name: stream });
  await expect(undelete()).rejects.toThrow(/exists already/);
  await manage("StreamService/DeleteStream", { name: stream });
  await manage("DeletedService/PurgeDeleted", { name: (await deletedOf(stream))?.name });
  await manage("ApplicationService/DeleteApplication", { name: grantee.name });
  // Longer than delivery needs to see that it is gone, and to sweep.
  await new Promise((resolve) => setTimeout(resolve, 12_000));

  await undelete();
  expect(await view()).toMatchObject({ uid: was.uid, schemaVersion: was.schemaVersion });
  expect(await listAll(server, stream)).toEqual(before);
  const { grants } = await manage<{ grants: { clientId: string }[] }>("AccessService/ListGrants", {
    parent: stream,
  });
  expect(grants.map((grant) => grant.clientId)).toContain(clientId);
  expect(grants.map((grant) => grant.clientId)).not.toContain(grantee.clientId);
  expect((await send(4)).status).toBe(200);
  await manage("SinkService/ResumeSink", { name: made.name });
  await waitFor(() => receiver.accepted().length === 3, { what: "what was held back" });
  expect(receiver.accepted().map((record) => record.n)).toEqual([undefined, 2, 4]);
  expect(receiver.faults).toEqual([]);
  expect(await countsOf(server, made.name)).toMatchObject({ delivered: 3, pushed: 3 });
  const { versions } = await manage<{ versions: { action: string }[] }>(
    "VersionService/ListVersions",
    { parent: stream },
  );
  expect(versions.map(({ action }) => action)).toEqual(["UNDELETE", "DELETE", "UPDATE", "CREATE"]);
  await receiver.close();
}, 120_000);
