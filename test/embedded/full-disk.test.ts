import { execFile } from "node:child_process";
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findNatsServer } from "../../src/embedded/nats-binary.ts";
import { startNatsServer } from "../../src/embedded/nats-server.ts";
import { testCacheDir } from "../support/nats.ts";
import { createTestLogger } from "../support/test-logger.ts";
import { waitFor } from "../support/wait-for.ts";

const run = promisify(execFile);
let disk: string;
let isMounted = false;

beforeEach(async () => {
  disk = await mkdtemp(join(tmpdir(), "tributary-disk-"));
  isMounted = await run("mount", ["-t", "tmpfs", "-o", "size=256m", "tributary-test", disk]).then(
    () => true,
    () => false,
  );
});

afterEach(async () => {
  if (isMounted) await run("umount", ["-l", disk]);
  await rm(disk, { recursive: true, force: true });
});

test("a log on a disk that filled up takes messages again once there is room", async (context) => {
  context.skip(!isMounted, "mounting a small disk needs root");
  const binary = await findNatsServer({ cacheDir: testCacheDir });
  const { logger, lines } = createTestLogger();
  const nats = await startNatsServer({ folder: join(disk, "nats"), binary, logger });
  const connection = await connect({
    servers: nats.url,
    user: nats.user,
    pass: nats.password,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  try {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "log", subjects: ["tributary.log"] });
    const client = jetstream(connection, { timeout: 1_000 });
    const publish = () =>
      client.publish("tributary.log", new Uint8Array(64 * 1024)).then((ack) => ack.seq);
    let acknowledged = await publish();
    const { bavail, bsize } = await statfs(disk);
    const ballast = join(disk, "ballast");
    await writeFile(ballast, new Uint8Array(bavail * bsize - 1024 * 1024));
    await waitFor(() =>
      publish().then(
        (sequence) => {
          acknowledged = sequence;
          return false;
        },
        () => true,
      ),
    );
    await waitFor(() => !nats.isReady);
    await rm(ballast);
    await waitFor(() => nats.restarts > 0 && nats.isReady);
    expect(await waitFor(() => publish().catch(() => undefined))).toBeGreaterThan(acknowledged);
    expect(lines.join("\n")).toMatch(/write error/);
  } finally {
    await connection.close();
    await nats.close();
  }
}, 60_000);
