/** Evaluates the templates of mappings in threads, so that the push path never waits for them. */
import { extname } from "node:path";
import {
  compileTemplate,
  createPool,
  JsonnetError,
  type Outcome,
  type Pool,
} from "../../jsonnet/index.ts";
import { ColumnFault } from "../columns/column.ts";
import type { TemplateResult } from "../mapping.ts";
import type { TemplateCompiler } from "../row-transform.ts";
import { functions, packInputs, type TemplateInput } from "./template-functions.ts";

/** Records and characters of one batch. */
const BATCH_RECORDS = 64;
const BATCH_CHARACTERS = 256 * 1024;
/** Batches of one request that are under way, for each thread (D5). */
const BATCHES_AHEAD = 2;
/** Budgets let a record take milliseconds; a thread that needs this long for one batch is lost. */
const BATCH_MS_MAX = 10_000;
/** Batches of all requests that wait; their records are in memory already, and bounded there. */
const WAITING_MAX = 10_000;
const HEAP_MB = 256;

/** A pool of threads. */
export interface TemplatePool extends TemplateCompiler {
  /** Ends the threads; what runs is rejected. Idempotent. */
  close(): Promise<void>;
}

/** Makes a pool; threads start when they are first needed. */
export function createTemplatePool({ threads }: { readonly threads: number }): TemplatePool {
  const pool = createPool({
    threads,
    queue: WAITING_MAX,
    batchMs: BATCH_MS_MAX,
    memoryMb: HEAP_MB,
    // Stripped types in src, plain JavaScript in dist.
    functions: new URL(`./template-functions${extname(import.meta.filename)}`, import.meta.url)
      .href,
    pack: (inputs) => packInputs(inputs as readonly TemplateInput[]),
  });
  return {
    compile(sources) {
      const faults = sources.flatMap((source, index) => {
        const fault = faultOf(source);
        return fault === undefined ? [] : [{ index, fault }];
      });
      if (faults.length > 0) return faults;
      return { run: (inputs, signal) => runAll(inputs, { signal, sources, pool, width: threads }) };
    },
    close: pool.close,
  };
}

/** Why a source is no template, with line and column. */
function faultOf(source: string): string | undefined {
  try {
    compileTemplate(source, { functions });
    return undefined;
  } catch (error) {
    if (!(error instanceof JsonnetError)) throw error;
    return error.message;
  }
}

interface Work {
  readonly signal: AbortSignal;
  readonly sources: readonly string[];
  readonly pool: Pool;
  readonly width: number;
}

async function runAll(inputs: readonly TemplateInput[], work: Work): Promise<TemplateResult[][]> {
  const batches = split(inputs);
  const results: TemplateResult[][][] = new Array(batches.length);
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < batches.length; at = next++) {
      work.signal.throwIfAborted();
      const rows = await work.pool.evaluate(work.sources, batches[at]!);
      results[at] = rows.map((row) => row.map(resultOf));
    }
  };
  await Promise.all(Array.from({ length: work.width * BATCHES_AHEAD }, lane));
  return results.flat();
}

function split(inputs: readonly TemplateInput[]): TemplateInput[][] {
  const batches: TemplateInput[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const input of inputs) {
    size += input.text.length;
    if (size > BATCH_CHARACTERS || batches.at(-1)!.length >= BATCH_RECORDS) {
      batches.push([]);
      size = input.text.length;
    }
    batches.at(-1)!.push(input);
  }
  return batches;
}

/** What a function of the mapping threw says more than where it was called. */
function resultOf(outcome: Outcome): TemplateResult {
  if ("json" in outcome) return outcome.json;
  const { cause, message } = outcome.failure;
  return new ColumnFault(typeof cause === "string" ? cause : message);
}
