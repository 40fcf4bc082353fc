import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endOrphan, rememberChild } from "../../src/embedded/orphan.ts";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-orphan-"));
  file = join(folder, "process.json");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function startSleeper() {
  return spawn("sleep", ["60"], { stdio: "ignore" });
}

test("a process that an earlier start left is ended", async () => {
  const child = startSleeper();
  const exited = once(child, "exit");
  await rememberChild(file, child.pid!, "SIGTERM");
  expect(await endOrphan(file)).toBe(child.pid);
  expect(await exited).toEqual([null, "SIGTERM"]);
});

test("one that ignores the request is killed", async () => {
  const child = spawn("sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(child.stdout, "data");
  const exited = once(child, "exit");
  await rememberChild(file, child.pid!, "SIGTERM");
  expect(await endOrphan(file, 300)).toBe(child.pid);
  expect(await exited).toEqual([null, "SIGKILL"]);
});

test("another process that has the same number by now is left alone", async () => {
  const child = startSleeper();
  await rememberChild(file, child.pid!, "SIGTERM");
  const record = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...record, began: `${record.began}1` }));
  expect(await endOrphan(file)).toBeUndefined();
  expect(child.exitCode ?? child.signalCode).toBeNull();
  child.kill("SIGKILL");
  await once(child, "exit");
});

test("a record that is missing, cut short or of a dead process names nobody", async () => {
  expect(await endOrphan(file)).toBeUndefined();
  for (const text of ["", '{"pid":', '{"pid":1,"began":"x","stopSignal":"SIGTERM"}', "null"]) {
    await writeFile(file, text);
    expect(await endOrphan(file)).toBeUndefined();
  }
});
