import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findNatsServer } from "../../src/embedded/nats-binary.ts";
import { startNatsProcess } from "../../src/embedded/nats-process.ts";
import { startNatsServer } from "../../src/embedded/nats-server.ts";
import { testCacheDir } from "../support/nats.ts";
import { createTestLogger } from "../support/test-logger.ts";
import { waitFor } from "../support/wait-for.ts";

let folder: string;
let binary: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-embedded-nats-"));
  binary = await findNatsServer({ cacheDir: testCacheDir });
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test("a server that a crashed process left on the same data is ended before another starts", async () => {
  const files = { configFile: join(folder, "left.conf"), portsFolder: folder };
  await writeFile(
    files.configFile,
    `port: -1\nhttp: "127.0.0.1:-1"\nports_file_dir: "${folder}"\n`,
  );
  const recordFile = join(folder, "process.json");
  const left = await startNatsProcess({ binary, ...files, recordFile });
  const { logger, lines } = createTestLogger();
  const nats = await startNatsServer({ folder, binary, logger });
  expect(left.child.isRunning()).toBe(false);
  expect(lines.join("\n")).toContain(
    `ended a nats-server left by an earlier crash {"pid":${left.child.pid}}`,
  );
  await nats.close();
});

test("another port is taken when the earlier one is in use by now", async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
  const { port } = blocker.address() as { port: number };
  await writeFile(join(folder, "ports.json"), `{"client":${port},"monitor":${port}}`);
  const nats = await startNatsServer({ folder, binary, logger: createTestLogger().logger });
  expect(new URL(nats.url).port).not.toBe(String(port));
  await nats.close();
  await new Promise((resolve) => blocker.close(resolve));
});

test("checks 4 and 40: nobody connects without the credentials, and the one user has only its subjects", async () => {
  const nats = await startNatsServer({ folder, binary, logger: createTestLogger().logger });
  try {
    await expect(connect({ servers: nats.url })).rejects.toThrow(/authorization/i);
    const { user } = nats;
    await expect(connect({ servers: nats.url, user, pass: "wrong" })).rejects.toThrow();
    expect(new URL(nats.monitorUrl).hostname).toBe("127.0.0.1");
    const client = await connect({ servers: nats.url, user, pass: nats.password });
    const faults: string[] = [];
    const watching = (async () => {
      for await (const status of client.status()) {
        if (status.type === "error") faults.push(String(status.error));
      }
    })();
    for (const subject of ["other.records.1", "$SYS.REQ.SERVER.PING", "_INBOX.of.somebody"]) {
      client.publish(subject, "x");
    }
    for (const subject of [">", "other.>", "$SYS.>", "$JS.API.>"]) {
      const subscription = client.subscribe(subject, { callback: () => undefined });
      await expect(subscription.closed.then(() => "refused")).resolves.toBe("refused");
    }
    await client.flush();
    client.subscribe("tributary.full-logs.1", { callback: () => undefined });
    client.publish("tributary.full-logs.1", "x");
    await client.flush();
    await waitFor(() => faults.length >= 7);
    expect(faults.join()).not.toContain("tributary");
    await client.close();
    await watching;
  } finally {
    await nats.close();
  }
});
