import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { createSink, createStream } from "../support/api.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { checkHistory, faultsOf, type Numbered } from "../support/history.ts";
import { hasJava, startKafka } from "../support/kafka.ts";
import { readTopic } from "../support/kafka-topic.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { makeDataDir, removeData, startServer, waitFor } from "../support/server.ts";

test("Kafka: the server and the broker killed with -9 under load: every acknowledged record is in the topic, each key in order", async ({
  skip,
}) => {
  if (!(await hasJava())) skip("this machine has no JDK or no Maven");
  const kafka = await startKafka();
  const dataDir = makeDataDir();
  const port = await findFreePort();
  let server = await startServer({ dataDir, port });
  try {
    const stream = await createStream(server, "load", {
      fields: LOAD_FIELDS,
      keyFields: ["key"],
      throughput: "HIGH",
    });
    await createSink(server, stream, {
      id: "topic",
      kafka: { brokers: [kafka.address], topic: "load", createTopic: { partitions: 3 } },
      retry: { schedule: ["0.5s", "1s"] },
    });
    const load = startLoad({ target: server, stream });
    for (const kill of ["server", "broker", "server"]) {
      await waitFor(moreAcked(load, 500), { timeoutMs: 60_000, what: "the load to run" });
      await sleep(200 + Math.random() * 500);
      if (kill === "broker") await kafka.restartBroker();
      else {
        await server.stop("SIGKILL");
        server = await startServer({ dataDir, port });
      }
    }
    await waitFor(moreAcked(load, 200), { timeoutMs: 60_000, what: "the load at the end" });
    await load.stop();
    const judge = async () => {
      const messages = await readTopic(kafka.address, "load").catch(() => []);
      const rows = messages.map(({ value }) => JSON.parse(value) as Numbered);
      return checkHistory(load.history, rows);
    };
    let verdict = await judge();
    await waitFor(
      async () => {
        verdict = await judge();
        return verdict.lost.length === 0;
      },
      { timeoutMs: 90_000, everyMs: 1_000, what: () => `all records: ${verdict.lost.length} left` },
    );
    expect(load.surprises).toEqual([]);
    expect(faultsOf(verdict, { dup: true })).toEqual({});
    expect(verdict.acked).toBeGreaterThan(1_500);
  } finally {
    await server.close();
    await removeData(dataDir);
    await kafka.close();
  }
}, 300_000);
