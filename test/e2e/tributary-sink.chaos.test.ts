import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { createSink, createStream, listAll } from "../support/api.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { checkHistory, faultsOf, type Numbered } from "../support/history.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { makeDataDir, removeData, startServer, waitFor } from "../support/server.ts";

test("another Tributary: both servers killed with -9 under load: every acknowledged record is there once, each key in order", async () => {
  const ports = [await findFreePort(), await findFreePort()];
  const dirs = [makeDataDir(), makeDataDir()];
  const start = (i: number) => startServer({ dataDir: dirs[i]!, port: ports[i]! });
  const servers = [await start(0), await start(1)];
  try {
    const definition = { fields: LOAD_FIELDS, keyFields: ["key"] } as const;
    const [near, far] = [
      await createStream(servers[0]!, "near", { ...definition, keyFields: ["key"] }),
      await createStream(servers[1]!, "far", { ...definition, keyFields: ["key"] }),
    ];
    await createSink(servers[0]!, near, {
      id: "onward",
      tributary: {
        url: servers[1]!.url,
        stream: far,
        clientId: servers[1]!.env.CLIENT_ID,
        clientSecret: servers[1]!.env.CLIENT_SECRET,
      },
      retry: { schedule: ["0.5s", "1s"] },
    });
    const load = startLoad({ target: servers[0]!, stream: near });
    for (const i of [1, 0, 1]) {
      await waitFor(moreAcked(load, 300), { timeoutMs: 60_000, what: "the load to run" });
      await sleep(200 + Math.random() * 500);
      await servers[i]!.stop("SIGKILL");
      servers[i] = await start(i);
    }
    await waitFor(moreAcked(load, 200), { timeoutMs: 60_000, what: "the load at the end" });
    await load.stop();
    const judge = async () => {
      const rows = (await listAll(servers[1]!, far)).map(({ value }) => ({
        key: String(value.key),
        n: Number(value.n),
      }));
      return checkHistory(load.history, rows satisfies Numbered[]);
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
    expect(faultsOf(verdict)).toEqual({});
  } finally {
    for (const [i, server] of servers.entries()) {
      await server.close();
      await removeData(dirs[i]!);
    }
  }
}, 300_000);
