import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { STAGING_POINTS } from "../../src/delivery/staging-area.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres.ts";
import type { StagingProcessInput } from "../support/staging-process.ts";
import { connect } from "../support/table.ts";

let nats: TestNats;
let database: TestPostgres;
beforeAll(async () => {
  [nats, database] = await Promise.all([startTestNats(), startTestPostgres({ durable: true })]);
});
afterAll(async () => {
  await Promise.all([nats?.close(), database?.close()]);
});

/** Runs the process to its end; gives the signal that ended it. */
async function run(input: StagingProcessInput): Promise<string> {
  const program = join(import.meta.dirname, "../support/staging-process.ts");
  const child = spawn(process.execPath, [program, JSON.stringify(input)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => {
    errors += text.toString();
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (signal === null && code !== 0) throw new Error(errors);
  return signal ?? "";
}

test("D1: kill -9 at each point between append, import and commit loses no row and doubles none", async () => {
  const base = {
    natsUrl: nats.url,
    databaseUrl: await database.createDatabase("staged_points"),
    table: "points",
    rowsPerRequest: 20,
  };
  let [epoch, requests] = [0, 0];
  for (const passing of [1, 2]) {
    for (const point of STAGING_POINTS) {
      epoch += 1;
      requests += 7;
      expect(await run({ ...base, requests, epoch, point, passing })).toBe("SIGKILL");
    }
  }
  await run({ ...base, requests, epoch: epoch + 1, point: "", passing: 0 });
  const sql = connect(base.databaseUrl);
  const [row] = await sql`SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM points`;
  expect(row).toEqual({ n: requests * 20, ids: requests * 20 });
  await sql.end();
}, 300_000);
