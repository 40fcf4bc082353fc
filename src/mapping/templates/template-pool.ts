/**
 * Evaluates templates in threads, so that the push path never waits for them. A template that takes a
 * thread down in spite of its budgets costs its own record, and no other.
 */
import type { Logger } from "../../core/logger.ts";
import { compileTemplate, JsonnetError } from "../../jsonnet/index.ts";
import { ColumnFault } from "../columns/column.ts";
import type { TemplateResult } from "../mapping.ts";
import type { TemplateCompiler } from "../row-transform.ts";
import { type TemplateInput, templateFunctions } from "./template-functions.ts";
import type { TemplateAnswer } from "./template-job.ts";
import { TemplateThread, ThreadLost } from "./template-thread.ts";

/** Records and characters of one job. */
const JOB_RECORDS = 64;
const JOB_CHARACTERS = 256 * 1024;
/** Jobs of one call that are under way, for each thread (D5). */
const JOBS_AHEAD = 2;

/** A pool of threads. */
export interface TemplatePool extends TemplateCompiler {
  /** Ends the threads; what runs is rejected. Idempotent. */
  close(): Promise<void>;
}

/** Makes a pool; threads start when they are first needed. */
export function createTemplatePool(options: {
  readonly threads: number;
  readonly logger: Logger;
}): TemplatePool {
  const threads = Array.from({ length: options.threads }, () => new TemplateThread(options.logger));
  let nextId = 0;
  const runJob = async (sources: readonly string[], inputs: readonly TemplateInput[]) => {
    const thread = threads.reduce((a, b) => (b.load < a.load ? b : a));
    return (await thread.run({ id: nextId++, sources, inputs })).rows;
  };
  return {
    compile(sources) {
      const faults = sources.flatMap((source, index) => {
        const fault = faultOf(source);
        return fault === undefined ? [] : [{ index, fault }];
      });
      if (faults.length > 0) return faults;
      return {
        run: (inputs, signal) =>
          runAll(inputs, { signal, runJob, sources, width: options.threads }),
      };
    },
    close: async () => void (await Promise.all(threads.map((thread) => thread.close()))),
  };
}

/** Why a source is no template, with line and column. */
function faultOf(source: string): string | undefined {
  try {
    compileTemplate(source, { functions: templateFunctions });
    return undefined;
  } catch (error) {
    if (!(error instanceof JsonnetError)) throw error;
    return error.message;
  }
}

interface Work {
  readonly signal: AbortSignal;
  readonly sources: readonly string[];
  readonly width: number;
  readonly runJob: (
    sources: readonly string[],
    inputs: readonly TemplateInput[],
  ) => Promise<readonly (readonly TemplateAnswer[])[]>;
}

async function runAll(inputs: readonly TemplateInput[], work: Work): Promise<TemplateResult[][]> {
  const jobs = split(inputs);
  const results: TemplateResult[][][] = new Array(jobs.length);
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < jobs.length; at = next++) {
      work.signal.throwIfAborted();
      results[at] = await runOne(jobs[at]!, work);
    }
  };
  await Promise.all(Array.from({ length: work.width * JOBS_AHEAD }, lane));
  return results.flat();
}

function split(inputs: readonly TemplateInput[]): TemplateInput[][] {
  const jobs: TemplateInput[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const input of inputs) {
    size += input.text.length;
    if (size > JOB_CHARACTERS || jobs.at(-1)!.length >= JOB_RECORDS) {
      jobs.push([]);
      size = input.text.length;
    }
    jobs.at(-1)!.push(input);
  }
  return jobs;
}

/** One job; when its thread is lost each record is tried alone, to find the one that did it. */
async function runOne(inputs: readonly TemplateInput[], work: Work): Promise<TemplateResult[][]> {
  try {
    const rows = await work.runJob(work.sources, inputs);
    return rows.map((row) => row.map(resultOf));
  } catch (error) {
    if (!(error instanceof ThreadLost)) throw error;
    work.signal.throwIfAborted();
    if (inputs.length === 1) {
      const fault = new ColumnFault("the template took more time or memory than there is");
      return [work.sources.map(() => fault)];
    }
    const rows: TemplateResult[][] = [];
    for (const input of inputs) rows.push(...(await runOne([input], work)));
    return rows;
  }
}

function resultOf(answer: TemplateAnswer): TemplateResult {
  return typeof answer === "string" ? answer : new ColumnFault(answer.fault);
}
