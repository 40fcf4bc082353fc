/** The committed corpus: programs with what another implementation made of them. */
import { join } from "node:path";

/** One program; the result is null when it fails. */
export interface CorpusEntry {
  readonly program: string;
  readonly result: string | null;
}

/** Programs of our own that cover each function of the standard library and each form of the language. */
export const CORPUS_FILE = join(import.meta.dirname, "corpus.json");

/** The seed of the generated part of the corpus. */
export const CORPUS_SEED = 20_261_122;
