import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, push } from "../support/api.ts";
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

test("B09: a deleted sink comes back with identity, secret and position, and delivers what came meanwhile once", async () => {
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

test("B09: a name is free at once; what took it is in the way of the undeletion; purge is for good", async () => {
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
  await manage("StreamService/DeleteStream", { name: stream });
  await expect(manage("DeletedService/Undelete", { name: third?.name })).rejects.toThrow(/is gone/);
}, 120_000);
