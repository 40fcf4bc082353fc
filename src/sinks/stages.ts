import type { TestStageResult } from "./sink.ts";
import { SinkFault } from "./sink-fault.ts";

/** What a stage that passed says; with a remedy when it passed with a warning. */
export type StageText = string | { readonly message: string; readonly remedy: string };

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
    results.push({ name, ...result, durationMs: Math.round(performance.now() - start) });
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
