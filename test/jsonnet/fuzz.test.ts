import fc from "fast-check";
import { describe, it } from "vitest";
import { SOURCES, survives } from "./fuzz-sources.ts";

describe("N10: fuzzing of lexer, parser and compiler", () => {
  it.each(SOURCES)("survives $name", { timeout: 120_000 }, ({ sources, runs }) => {
    fc.assert(fc.property(sources, survives), { numRuns: runs / 4, seed: 1 });
  });
});
