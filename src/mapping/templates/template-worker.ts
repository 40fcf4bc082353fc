/** A thread that evaluates templates. Budgets stop each evaluation long before the pool would end the thread. */
import { parentPort } from "node:worker_threads";
import { compileTemplate, JsonnetError, type Template } from "../../jsonnet/index.ts";
import { TemplateContext, templateFunctions } from "./template-functions.ts";
import type { TemplateAnswer, TemplateJob, TemplateJobDone } from "./template-job.ts";

/** Templates that a thread keeps; the oldest go. */
const COMPILED_MAX = 1_000;
const compiled = new Map<string, Template<TemplateContext>>();

function templateOf(source: string): Template<TemplateContext> {
  const known = compiled.get(source);
  if (known) return known;
  const made = compileTemplate<TemplateContext>(source, { functions: templateFunctions });
  if (compiled.size >= COMPILED_MAX) {
    for (const oldest of compiled.keys()) {
      compiled.delete(oldest);
      break;
    }
  }
  compiled.set(source, made);
  return made;
}

function evaluate(template: Template<TemplateContext>, context: TemplateContext): TemplateAnswer {
  try {
    return JSON.stringify(template.evaluate(context));
  } catch (error) {
    if (!(error instanceof JsonnetError)) throw error;
    // What a function of the mapping threw says more than where it was called.
    return { fault: error.cause instanceof Error ? error.cause.message : error.message };
  }
}

parentPort?.on("message", ({ id, sources, inputs }: TemplateJob) => {
  const templates = sources.map(templateOf);
  const rows = inputs.map((input) => {
    const context = new TemplateContext(input);
    return templates.map((template) => evaluate(template, context));
  });
  const done: TemplateJobDone = { id, rows };
  parentPort?.postMessage(done);
});
