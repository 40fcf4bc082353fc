import fc from "fast-check";
import { describe, it } from "vitest";
import { CASE_MS, MAPPING_FUZZ } from "./fuzz-sources.ts";

describe("E19, K08, K12: fuzzing of CEL, path and time format syntax", () => {
  it.each(MAPPING_FUZZ)(
    `%s: no crash, and no case longer than ${CASE_MS} ms`,
    { timeout: 240_000 },
    (_name, sources, runs, survives) => {
      fc.assert(fc.property(sources, survives), { numRuns: runs, seed: 3 });
    },
  );
});
