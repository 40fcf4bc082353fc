import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CORPUS_FILE, type CorpusEntry } from "./corpus-file.ts";
import { textOf } from "./evaluate.ts";

const corpus = JSON.parse(readFileSync(CORPUS_FILE, "utf8")) as CorpusEntry[];

describe("N10: the same as another implementation", () => {
  it("gives the same text, or fails as well, for each program of the corpus", () => {
    const different = corpus
      .map(({ program, result }) => ({ program, expected: result, actual: textOf(program) }))
      .filter(({ expected, actual }) => actual !== expected);
    expect(corpus.length).toBeGreaterThan(600);
    expect(different).toEqual([]);
  });
});
