import { execFile } from "node:child_process";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createStream, type ErrorBody, listAll, push, reasonIn } from "../support/api.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { checkHistory, faultsOf } from "../support/history.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import {
  makeDataDir,
  removeData,
  startServer,
  type TestServer,
  waitFor,
} from "../support/server.ts";

const run = promisify(execFile);
const dataDir = makeDataDir();
const disk = join(dataDir, "nats");
let server: TestServer;

// Mounting a small disk is for root on Linux.
describe.skipIf(process.platform !== "linux" || userInfo().uid !== 0)("full disk", () => {
  beforeAll(async () => {
    await mkdir(disk, { recursive: true });
    await run("mount", ["-t", "tmpfs", "-o", "size=192m,mode=700", "tributary-test", disk]);
    server = await startServer({ dataDir });
  });
  afterAll(async () => {
    await server?.stop();
    await run("umount", ["-l", disk]);
    await removeData(dataDir);
  });

  test("a write that failed for want of space is not acknowledged; once there is room the log works again and has all that was", async () => {
    const stream = await createStream(server, "filled", {
      fields: LOAD_FIELDS,
      keyFields: ["key"],
      throughput: "HIGH",
    });
    const load = startLoad({ target: server, stream, recordsPerCall: 50 });
    await waitFor(moreAcked(load, 2_000), { what: "the load to run" });
    const { bavail, bsize } = await statfs(disk);
    const ballast = join(disk, "ballast");
    await writeFile(ballast, new Uint8Array(bavail * bsize - 64 * 1024)).catch(() => undefined);
    const before = load.attempts.length;
    await waitFor(() => load.attempts.slice(before).some((a) => a.status !== 200), {
      timeoutMs: 30_000,
      what: "a refused push",
    });
    await rm(ballast);
    const roomAt = performance.now();
    await waitFor(moreAcked(load, 2_000), { timeoutMs: 60_000, what: "pushes to work again" });
    const recoveryMs = performance.now() - roomAt;
    await load.stop();
    const rows = (await listAll(server, stream)).map(({ value }) => ({
      key: String(value.key),
      n: Number(value.n),
    }));
    const verdict = checkHistory(load.history, rows);
    const refused = load.attempts.filter((a) => a.status !== 200);
    report("full disk", {
      recoveryMs,
      acked: verdict.acked,
      refused: [...new Set(refused.map((a) => `${a.status} ${a.reason}`))],
    });
    expect(load.surprises).toEqual([]);
    expect(faultsOf(verdict)).toEqual({});
  }, 180_000);

  test("pushes are refused with RESOURCE_EXHAUSTED before the disk is full", async () => {
    const stream = await createStream(server, "endless", { fields: { text: "STRING" } });
    const record = { text: "x".repeat(900_000) };
    let accepted = 0;
    const refusal = await waitFor(
      async () => {
        const answer = await push(server, stream, [record, record, record, record]);
        if (answer.status === 200) accepted += 4;
        return answer.status === 200 ? undefined : answer;
      },
      { timeoutMs: 120_000, what: () => `a refusal: ${accepted} records were taken` },
    );
    const body = (await refusal.json()) as ErrorBody;
    const { bavail, bsize, blocks } = await statfs(disk);
    report("disk limit", { acceptedMiB: accepted * 0.86, freeShare: (100 * bavail) / blocks });
    expect(refusal.status).toBe(429);
    expect(body.code).toBe("resource_exhausted");
    expect(reasonIn(body)).toBe("STREAM_FULL");
    expect(refusal.headers.has("retry-after")).toBe(true);
    expect(bavail * bsize).toBeGreaterThan(0.05 * blocks * bsize);
    expect(await listAll(server, stream, { pageSize: 20 })).toHaveLength(accepted);
  }, 180_000);
});
