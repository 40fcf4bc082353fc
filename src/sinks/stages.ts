import type { TestStageResult } from "./sink.ts";
import { SinkFault } from "./sink-fault.ts";

/** Runs stages in order and stops at the first that throws; each gives a message for its owner. */
export async function runStages(
  stages: Readonly<Record<string, () => Promise<string>>>,
): Promise<readonly TestStageResult[]> {
  const results: TestStageResult[] = [];
  for (const [name, run] of Object.entries(stages)) {
    const start = performance.now();
    const result = await run().then(
      (message) => ({ isOk: true, message }),
      (error: unknown) => ({ isOk: false, message: describe(error) }),
    );
    results.push({ name, ...result, durationMs: Math.round(performance.now() - start) });
    if (!result.isOk) break;
  }
  return results;
}

function describe(error: unknown): string {
  return error instanceof SinkFault ? `${error.reason}: ${error.message}` : "failed unexpectedly";
}
