import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { Task_Kind, Task_State } from "#gen/tributary/management/v1/task_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { createSinkChanger, createSinkMaker } from "../../src/catalog/sink-task.ts";
import { startTaskRunner } from "../../src/catalog/task-runner.ts";
import { findTask } from "../../src/catalog/task-store.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { failureOf } from "../support/reason-of-call.ts";
import { waitFor } from "../support/wait-for.ts";

const parent = "projects/a/streams/s";
const name = `${parent}/sinks/k`;

/** A destination that takes its time, and answers 200 once it may. */
async function useSlowReceiver() {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const server = createServer((_request, response) => void gate.then(() => response.end()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`, open };
}

async function useTasks() {
  const { catalog, as, database } = await useTestCatalog();
  const runner = startTaskRunner({
    database,
    logger: quietLogger,
    handlers: {
      [Task_Kind.CREATE_SINK]: createSinkMaker(catalog),
      [Task_Kind.UPDATE_SINK]: createSinkChanger(catalog),
    },
    onEnded: catalog.refresh,
  });
  onTestFinished(runner.close);
  Object.assign(catalog, { wakeTasks: runner.wake });
  await ensureOperator(catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  const fields = [{ name: "id", type: Field_Type.STRING }];
  await ops.streams.createStream({
    parent: "projects/a",
    streamId: "s",
    stream: { schema: { fields } },
  });
  const rowOf = (task: string) =>
    database.inProject("projects/a", (queries) => findTask(queries, task));
  const ended = (task: string) =>
    waitFor(
      async () => {
        const row = await rowOf(task);
        return row?.endTime ? row : undefined;
      },
      { timeoutMs: 25_000, everyMs: 50 },
    );
  return { ops, rowOf, ended };
}

const webhook = (url: string) => ({ config: { case: "webhook" as const, value: { url } } });

test("K19: a sink that is made by a task can be used only after the task has succeeded", async () => {
  const { ops, rowOf, ended } = await useTasks();
  const receiver = await useSlowReceiver();
  const start = performance.now();
  const made = await ops.sinks.createSink({
    parent,
    sinkId: "k",
    sink: webhook(receiver.url),
    asTask: true,
  });
  expect(performance.now() - start).toBeLessThan(2_000);
  expect(made.sink?.name).toBe(name);
  const secret = made.sink?.config.case === "webhook" && made.sink.config.value.signingSecret;
  expect(secret).toMatch(/^whsec_/);
  await waitFor(async () => (await rowOf(made.task))?.state === Task_State.RUNNING);
  expect(JSON.stringify(await rowOf(made.task))).not.toContain(secret);
  expect((await failureOf(ops.sinks.getSink({ name }))).reason).toBe("RESOURCE_NOT_FOUND");
  receiver.open();
  expect(await ended(made.task)).toMatchObject({ state: Task_State.SUCCEEDED, resource: name });
  const { sink } = await ops.sinks.getSink({ name });
  expect(sink?.uid).toBe(made.sink?.uid);
});

test("K19: what is wrong with the definition is said at once; a destination that refuses fails the task", async () => {
  const { ops, ended } = await useTasks();
  const bad = ops.sinks.createSink({ parent, sinkId: "k", sink: {}, asTask: true });
  expect((await failureOf(bad)).reason).toBe("INVALID_FIELDS");
  const { task } = await ops.sinks.createSink({
    parent,
    sinkId: "k",
    sink: webhook("http://127.0.0.1:1/in"),
    asTask: true,
  });
  expect(task).toMatch(/^projects\/a\/tasks\//);
  const row = await ended(task);
  expect(row.state).toBe(Task_State.FAILED);
  expect(row.error).not.toBe("");
  expect((await failureOf(ops.sinks.getSink({ name }))).reason).toBe("RESOURCE_NOT_FOUND");
});

test("K19: a change by a task is there once it has succeeded, and gives way to another change", async () => {
  const { ops, ended } = await useTasks();
  const receiver = await useSlowReceiver();
  await ops.sinks.createSink({ parent, sinkId: "k", sink: webhook(receiver.url), skipTest: true });
  const change = (displayName: string, more: object) =>
    ops.sinks.updateSink({ sink: { name, displayName, ...more }, asTask: true });
  const first = await change("one", webhook(`${receiver.url}/moved`));
  expect(first.sink?.displayName).toBe("k");
  const second = await ops.sinks.updateSink({ sink: { name, displayName: "two" } });
  expect(second.sink?.displayName).toBe("two");
  receiver.open();
  expect(await ended(first.task)).toMatchObject({
    state: Task_State.FAILED,
    error: expect.stringContaining("changed in another way"),
  });
  const third = await change("three", {});
  expect((await ended(third.task)).state).toBe(Task_State.SUCCEEDED);
  expect((await ops.sinks.getSink({ name })).sink?.displayName).toBe("three");
});
