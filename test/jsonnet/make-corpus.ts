/**
 * Makes corpus.json anew: `JSONNET_ORACLE=/path/to/python node test/jsonnet/make-corpus.ts`. The programs
 * are ours, written by hand and generated; the results are those of go-jsonnet.
 */
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { CORPUS_FILE, CORPUS_SEED, type CorpusEntry } from "./corpus-file.ts";
import { askOracle } from "./oracle.ts";
import { programs } from "./programs.ts";
import { SNIPPETS } from "./snippets.ts";

const PROGRAM_MAX = 1200;

const generated = fc
  .sample(programs, { seed: CORPUS_SEED, numRuns: 600 })
  .filter((program) => program.length <= PROGRAM_MAX);
const all = [...new Set([...SNIPPETS, ...generated])];
const results = askOracle(all);
const entries: CorpusEntry[] = all.map((program, i) => ({ program, result: results[i] ?? null }));
const lines = entries.map((entry) => JSON.stringify(entry));
writeFileSync(CORPUS_FILE, `[\n${lines.join(",\n")}\n]\n`);
const failing = entries.filter((entry) => entry.result === null).length;
process.stdout.write(`${entries.length} programs, ${failing} of which fail\n`);
