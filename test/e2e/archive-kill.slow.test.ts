import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { findFreePort } from "../../src/embedded/free-port.ts";
import { call, createStream, listAll } from "../support/api.ts";
import { moreAcked, report } from "../support/faults/outage.ts";
import { checkHistory, faultsOf, type Numbered } from "../support/history.ts";
import { LOAD_FIELDS, type Load, startLoad } from "../support/load.ts";
import { readByPyarrow } from "../support/pyarrow.ts";
import { makeDataDir, removeData, startServer, waitFor } from "../support/server.ts";

const KILLS = 3;

test("F01: kill -9 while archives are written: each acknowledged record is in archive and log once, in key order, and in the files once for pyarrow", async () => {
  const dataDir = makeDataDir();
  const port = await findFreePort();
  let server = await startServer({ dataDir, port });
  let load: Load | undefined;
  try {
    const stream = await createStream(server, "killed", {
      fields: LOAD_FIELDS,
      keyFields: ["key"],
      throughput: "HIGH",
      retention: { bytes: "1048576" },
      archive: { fileTime: "1s", fileBytes: "65536" },
    });
    const branchOf = async () => {
      const request = { name: `${stream}/branches/main` };
      const method = "management.v1.StreamService/GetBranch";
      type Branch = { lastSequence: string; archive?: Record<string, string> };
      return (await call<{ branch: Branch }>(server, method, request)).branch;
    };
    load = startLoad({ target: server, stream, recordsPerCall: 40 });
    for (let kill = 0; kill < KILLS; kill++) {
      await waitFor(moreAcked(load, 2_000), { timeoutMs: 60_000, what: "the load to run" });
      await sleep(200 + Math.random() * 1_500);
      await server.stop("SIGKILL");
      server = await startServer({ dataDir, port });
    }
    await waitFor(moreAcked(load, 2_000), {
      timeoutMs: 60_000,
      what: "the load to run at the end",
    });
    await load.stop();
    await waitFor(
      async () => {
        const { lastSequence, archive } = await branchOf();
        return Number(archive?.nextSequence) > Number(lastSequence);
      },
      { timeoutMs: 60_000, everyMs: 500, what: "the archive to have everything" },
    );
    const listed = await listAll(server, stream);
    const rows = listed.map(({ value }) => value as unknown as Numbered);
    const verdict = checkHistory(load.history, rows);
    expect(load.surprises).toEqual([]);
    expect(faultsOf(verdict)).toEqual({});
    const folder = join(dataDir, "archive");
    const names = (await readdir(folder, { recursive: true })).filter(
      (name) => !name.endsWith("/"),
    );
    const files = names.filter((name) => name.endsWith(".parquet"));
    expect(names.filter((name) => name.endsWith(".part"))).toEqual([]);
    const tables = await readByPyarrow(files.map((name) => join(folder, name)));
    const ids = tables.flatMap((table) => table.rows.map((row) => row.tributary_record_id));
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(listed.map(({ id }) => id).sort());
    report("archive under kill -9", { kills: KILLS, acked: verdict.acked, files: files.length });
  } finally {
    await load?.stop(0);
    await server.close();
    await removeData(dataDir);
  }
}, 400_000);
