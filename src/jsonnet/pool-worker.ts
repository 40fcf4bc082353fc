/** A thread of a pool: compiles templates once, and evaluates batches. */
import { parentPort, workerData } from "node:worker_threads";
import { JsonnetError } from "./errors.ts";
import type { HostFunctions } from "./host-function.ts";
import type { Answer, Batch, Failure, WorkerData } from "./pool-message.ts";
import { compileTemplate, type Template } from "./template.ts";

/** What the module of a host exports. */
export interface HostModule {
  readonly functions: HostFunctions<unknown>;
  /**
   * Makes the contexts of a batch, each used for all templates, from what `pack` of the pool made of the
   * records. Without it the records are the contexts.
   */
  readonly createContexts?: (packed: unknown) => Iterable<unknown>;
}

/** Compiled templates that a worker keeps; the one used longest ago goes first. */
const TEMPLATES_MAX = 1_000;

const { functions: moduleUrl, limits, progress } = workerData as WorkerData;
const host: HostModule = moduleUrl ? await import(moduleUrl) : { functions: {} };
const current = new Int32Array(progress);
const compiled = new Map<string, Template<unknown> | Failure>();

parentPort?.on("message", (batch: Batch) => parentPort?.postMessage(evaluateBatch(batch)));
// The first message says that everything is loaded.
parentPort?.postMessage(undefined);

function evaluateBatch({ templates, records, stopped }: Batch): Answer {
  const answer: Answer = [];
  const list = templates.map(find);
  const contexts = host.createContexts?.(records) ?? (records as unknown[]);
  for (const context of contexts) {
    for (const template of list) {
      Atomics.store(current, 0, answer.length);
      answer.push(stopped.has(answer.length) ? undefined : evaluate(template, context));
    }
  }
  return answer;
}

function evaluate(template: Template<unknown> | Failure, context: unknown): string | Failure {
  if (!("evaluate" in template)) return template;
  try {
    return JSON.stringify(template.evaluate(context));
  } catch (error) {
    return toFailure(error);
  }
}

function find(source: string): Template<unknown> | Failure {
  const found = compiled.get(source) ?? compile(source);
  compiled.delete(source);
  compiled.set(source, found);
  const [oldest] = compiled.keys();
  if (compiled.size > TEMPLATES_MAX && oldest !== undefined) compiled.delete(oldest);
  return found;
}

function compile(source: string): Template<unknown> | Failure {
  try {
    return compileTemplate(source, { functions: host.functions, limits });
  } catch (error) {
    return toFailure(error);
  }
}

function toFailure(error: unknown): Failure {
  if (!(error instanceof JsonnetError)) throw error;
  const { kind, message, reason, line, column, limit, cause } = error;
  const causeText = cause instanceof Error ? cause.message : cause;
  return { kind, message, reason, line, column, limit, cause: causeText };
}
