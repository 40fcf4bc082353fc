import { afterEach, describe, expect, it } from "vitest";
import { createPool, type Pool, PoolBusyError, type PoolOptions } from "../../src/jsonnet/index.ts";

const pools: Pool[] = [];

function open(options: Partial<PoolOptions> = {}): Pool {
  const pool = createPool({
    threads: 1,
    queue: 8,
    batchMs: 2_000,
    memoryMb: 64,
    functions: new URL("./pool-functions.ts", import.meta.url).href,
    ...options,
  });
  pools.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

describe("N10: a pool of threads", () => {
  it("evaluates every template for every record", async () => {
    const outcomes = await open().evaluate(
      ["Value().n + 1", "std.length(Value())"],
      ['{"n":1}', '{"n":2,"m":3}'],
    );
    expect(outcomes).toEqual([
      [{ json: "2" }, { json: "1" }],
      [{ json: "3" }, { json: "2" }],
    ]);
  });

  it("gives failures as data: syntax, run time, budgets, host functions", async () => {
    const [row] = await open().evaluate(
      ["1 +", "error 'no'", "std.range(1, 1e12)", "Missing()", "1"],
      ["null"],
    );
    expect(row).toMatchObject([
      { failure: { kind: "syntax", line: 1, column: 4 } },
      { failure: { kind: "runtime", reason: "no", line: 1, column: 1 } },
      { failure: { kind: "limit", limit: "allocation" } },
      { failure: { kind: "runtime", message: "1:8: nothing here", cause: "nothing here" } },
      { json: "1" },
    ]);
  });

  it("stops and replaces a thread that overruns, and evaluates the rest in another", async () => {
    const pool = open({ batchMs: 1_000 });
    const [row] = await pool.evaluate(["1", "Hang()", "2"], ["null"]);
    expect(row).toMatchObject([
      { json: "1" },
      { failure: { kind: "limit", limit: "time" } },
      { json: "2" },
    ]);
    expect(await pool.evaluate(["3"], ["null"])).toEqual([[{ json: "3" }]]);
  });

  it("survives a thread that runs out of memory", async () => {
    const pool = open({ batchMs: 20_000, memoryMb: 32 });
    const [row] = await pool.evaluate(["Hoard()", "2"], ["null"]);
    expect(row).toMatchObject([{ failure: { limit: "allocation" } }, { json: "2" }]);
  });

  it("refuses batches beyond its queue, and keeps the caller's thread free", async () => {
    const pool = open({ queue: 1, batchMs: 1_000 });
    const first = pool.evaluate(["Hang()"], ["null"]);
    const second = pool.evaluate(["2"], ["null"]);
    await expect(pool.evaluate(["3"], ["null"])).rejects.toThrow(PoolBusyError);
    await expect(second).resolves.toEqual([[{ json: "2" }]]);
    await expect(first).resolves.toMatchObject([[{ failure: { limit: "time" } }]]);
  });

  it("shows its threads nothing of the environment", async () => {
    expect(await open().evaluate(["Environment()"], ["null"])).toEqual([[{ json: "0" }]]);
  });

  it("refuses what is under way when it closes, and closes twice", async () => {
    const pool = open();
    const refused = expect(pool.evaluate(["Hang()"], ["null"])).rejects.toThrow("ended");
    await pool.close();
    await pool.close();
    await refused;
    await expect(pool.evaluate(["1"], ["null"])).rejects.toThrow("closed");
  });
});
