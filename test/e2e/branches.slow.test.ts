import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ApiError,
  call,
  createSink,
  createStream,
  listAll,
  push,
  type RecordView,
} from "../support/api.ts";
import { startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

interface BranchView {
  name: string;
  state: string;
  task?: string;
  copyOf?: string;
}
interface TaskView {
  name: string;
  kind: string;
  resource: string;
  state: string;
  done?: string;
  total?: string;
  error?: string;
}

const createBranch = async (parent: string, branchId: string, copyOf = "") =>
  (
    await call<{ branch: BranchView }>(server, "management.v1.StreamService/CreateBranch", {
      parent,
      branchId,
      copyOf,
    })
  ).branch;
const getTask = async (name: string) =>
  (await call<{ task: TaskView }>(server, "management.v1.TaskService/GetTask", { name })).task;
const whenEnded = (name: string) =>
  waitFor(
    async () => {
      const task = await getTask(name);
      return ["PENDING", "RUNNING"].includes(task.state) ? undefined : task;
    },
    { timeoutMs: 40_000, everyMs: 100, what: `${name} to end` },
  );
const pushTo = async (stream: string, branch: string, records: readonly object[]) => {
  await call(server, "push.v1.PushService/Push", { stream, branch, records });
};
/** What a copy keeps of its record. */
const kept = ({ value, producerId, arrivalTime }: RecordView) => ({
  value,
  producerId,
  arrivalTime,
});
const byKey = (records: readonly RecordView[]) =>
  Object.fromEntries(
    [...Map.groupBy(records, (record) => String(record.value.key))]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, own]) => [key, own.map(kept)]),
  );

test("F02, K19: a branch begins with another's retained records, by a task; then each has its own", async () => {
  const stream = await createStream(server, "copied", {
    fields: { key: "STRING", n: "LONG" },
    keyFields: ["key"],
    throughput: "HIGH",
  });
  for (let call = 0; call < 20; call++) {
    const records = Array.from({ length: 10 }, (_, i) => ({
      value: { key: `k${i % 7}`, n: call * 10 + i },
      id: `id-${call}-${i}`,
    }));
    await pushTo(stream, "", records);
  }
  const branch = await createBranch(stream, "trial", "main");
  expect(branch).toMatchObject({ state: "COPYING", copyOf: "main" });
  const task = await whenEnded(branch.task ?? "");
  expect(task).toMatchObject({ kind: "COPY_BRANCH", resource: branch.name, state: "SUCCEEDED" });
  expect(Number(task.total)).toBeGreaterThan(0);
  expect(task.done).toBe(task.total);
  const { branch: ready } = await call<{ branch: BranchView }>(
    server,
    "management.v1.StreamService/GetBranch",
    { name: branch.name },
  );
  expect(ready.state).toBe("READY");

  const original = await listAll(server, stream);
  const copies = await listAll(server, stream, { branch: "trial" });
  expect(original).toHaveLength(200);
  expect(byKey(copies)).toEqual(byKey(original));
  expect(new Set([...copies, ...original].map((record) => record.id)).size).toBe(400);

  await pushTo(stream, "trial", [{ value: { key: "k0", n: 1000 } }]);
  await pushTo(stream, "", [{ value: { key: "k0", n: 2000 } }]);
  const numbers = async (id: string) =>
    (await listAll(server, stream, { branch: id })).map((record) => record.value.n);
  expect(await numbers("trial")).toEqual(expect.arrayContaining([1000]));
  expect(await numbers("trial")).not.toContain(2000);
  expect(await numbers("main")).not.toContain(1000);

  const receiver = await startReceiver();
  const sink = await createSink(server, stream, {
    id: "of-trial",
    branch: "trial",
    start: { position: "EARLIEST" },
    webhook: { url: receiver.url },
  });
  await waitFor(() => receiver.accepted().length >= 201, {
    what: () => `201 rows: ${receiver.accepted().length}`,
  });
  expect(receiver.accepted().map((row) => Number(row.n))).not.toContain(2000);
  await call(server, "management.v1.SinkService/DeleteSink", { name: sink.name });
  await receiver.close();
  await call(server, "management.v1.StreamService/DeleteBranch", { name: branch.name });
  await expect(listAll(server, stream, { branch: "trial" })).rejects.toThrow(ApiError);
  expect(await listAll(server, stream)).toHaveLength(201);
  const { tasks } = await call<{ tasks: TaskView[] }>(
    server,
    "management.v1.TaskService/ListTasks",
    { parent: "projects/demo" },
  );
  expect(tasks.map(({ name }) => name)).toContain(task.name);
}, 60_000);

test("F02: a copy takes records of an earlier generation by the keys of today", async () => {
  const stream = await createStream(server, "rekeyed", { fields: { key: "STRING", n: "LONG" } });
  await push(server, stream, [
    { key: "a", n: 1 },
    { key: "b", n: 2 },
  ]);
  await call(server, "management.v1.StreamService/UpdateStream", {
    stream: { name: stream, keyFields: ["key"], throughput: "HIGH" },
    updateMask: "keyFields,throughput",
  });
  await push(server, stream, [{ key: "a", n: 3 }]);
  const { task = "" } = await createBranch(stream, "copy", "main");
  expect(await whenEnded(task)).toMatchObject({ state: "SUCCEEDED" });
  const found = await listAll(server, stream, { branch: "copy", key: '{"key":"a"}' });
  expect(found.map((record) => record.value.n)).toEqual([1, 3]);
  expect(await listAll(server, stream, { branch: "copy" })).toHaveLength(3);
});

test("F02, K19: a server that is killed goes on with a copy: nothing twice, nothing missing", async () => {
  const stream = await createStream(server, "killed", {
    fields: { key: "STRING", n: "LONG", text: "STRING" },
    keyFields: ["key"],
    throughput: "HIGH",
  });
  const text = randomBytes(1_000).toString("base64");
  for (let call = 0; call < 20; call++) {
    const records = Array.from({ length: 500 }, (_, i) => ({
      value: { key: `k${i % 50}`, n: call * 500 + i, text },
    }));
    await pushTo(stream, "", records);
  }
  const { task = "" } = await createBranch(stream, "copy", "main");
  await waitFor(async () => (await getTask(task)).state !== "PENDING", { everyMs: 5 });
  await server.stop("SIGKILL");
  const { dataDir } = server;
  server = await startServer({ dataDir });
  const usable = call(server, "push.v1.PushService/Push", {
    stream,
    branch: "copy",
    records: [{ value: { key: "k0", n: 0, text } }],
  });
  await expect(usable).rejects.toThrow("404");
  expect(await whenEnded(task)).toMatchObject({ state: "SUCCEEDED" });
  const withoutText = (records: RecordView[]) =>
    records.map((record) => ({ ...record, value: { ...record.value, text: "" } }));
  const copies = withoutText(await listAll(server, stream, { branch: "copy" }));
  expect(copies).toHaveLength(10_000);
  expect(byKey(copies)).toEqual(byKey(withoutText(await listAll(server, stream))));
}, 120_000);

test("K19: a task can be cancelled while it waits or works; a branch that was not copied can only be deleted", async () => {
  const stream = await createStream(server, "cancelled", { fields: { n: "LONG" } });
  await push(server, stream, [{ n: 1 }]);
  const { name, task = "" } = await createBranch(stream, "copy", "main");
  const cancelled = await call<{ task: TaskView }>(server, "management.v1.TaskService/CancelTask", {
    name: task,
  }).catch((error: ApiError) => error);
  const ended = await whenEnded(task);
  // The copy of one record may be done before.
  expect(ended.state).toBe(cancelled instanceof ApiError ? "SUCCEEDED" : ended.state);
  expect(["SUCCEEDED", "CANCELLED"]).toContain(ended.state);
  const again = call(server, "management.v1.TaskService/CancelTask", { name: task });
  if (ended.state === "SUCCEEDED") await expect(again).rejects.toThrow("has ended");
  else await again;
  await call(server, "management.v1.StreamService/DeleteBranch", { name });
  await expect(createBranch(stream, "other", "none")).rejects.toThrow("branches/none");
});
