import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOf } from "./evaluate.ts";
import { askOracle, hasOracle } from "./oracle.ts";
import { programs } from "./programs.ts";

const SEED = Number(process.env.JSONNET_SEED ?? 7);

describe.skipIf(!hasOracle())("N10: the same as another implementation, live", () => {
  it("has the same members of std", () => {
    const [names = ""] = askOracle(["std.objectFieldsAll(std)"]);
    const own = (JSON.parse(names ?? "") as string[]).filter((name) => !name.startsWith("$"));
    expect(JSON.parse(textOf("std.objectFieldsAll(std)") ?? "")).toEqual(own.sort());
  });

  it("agrees on 10,000 generated programs", { timeout: 600_000 }, () => {
    const sample = [...new Set(fc.sample(programs, { seed: SEED, numRuns: 10_000 }))];
    const expected = askOracle(sample);
    const different = sample
      .map((program, i) => ({ program, expected: expected[i], actual: textOf(program) }))
      .filter((each) => each.actual !== each.expected);
    expect(different).toEqual([]);
  });
});
