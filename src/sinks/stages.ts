import { AsyncLocalStorage } from "node:async_hooks";
import type { TestStageResult } from "./sink.ts";
import { SinkFault } from "./sink-fault.ts";

/** What a stage that passed says; with a remedy when it passed with a warning. */
export type StageText = string | { readonly message: string; readonly remedy: string };

const listening = new AsyncLocalStorage<(stage: TestStageResult) => void>();

/** Runs work, and tells of each stage that it runs as soon as it has ended. */
export function hearStages<T>(listener: (stage: TestStageResult) => void, work: () => T): T {
  return listening.run(listener, work);
}

/** Runs stages in order and stops at the first that throws; each gives a message for its owner. */
export async function runStages(
  stages: Readonly<Record<string, () => Promise<StageText>>>,
): Promise<readonly TestStageResult[]> {
  const results: TestStageResult[] = [];
  for (const [name, run] of Object.entries(stages)) {
    const start = performance.now();
    const result = await run().then(
      (found) => ({ isOk: true, ...(typeof found === "string" ? { message: found } : found) }),
      (error: unknown) => ({ isOk: false, message: describe(error), ...remedyOf(error) }),
    );
    const stage = { name, ...result, durationMs: Math.round(performance.now() - start) };
    results.push(stage);
    listening.getStore()?.(stage);
    if (!result.isOk) break;
  }
  return results;
}

function describe(error: unknown): string {
  return error instanceof SinkFault ? `${error.reason}: ${error.message}` : "failed unexpectedly";
}

function remedyOf(error: unknown): { remedy?: string } {
  return error instanceof SinkFault && error.remedy ? { remedy: error.remedy } : {};
}
