import fc from "fast-check";
import { expect, it } from "vitest";
import { compileTemplate, JsonnetError } from "../../src/jsonnet/index.ts";
import { withinMs } from "../support/case-time.ts";
import { expensive } from "./large-arguments.ts";

/** Milliseconds of CPU that the budgets leave to any template, parsing included. */
const LIMIT_MS = 50;

function attempt(source: string): void {
  try {
    compileTemplate(source).evaluate(undefined);
  } catch (error) {
    expect(error).toBeInstanceOf(JsonnetError);
  }
}

it(`N10: whatever std is asked to do ends within ${LIMIT_MS} ms`, { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(expensive, (source) => withinMs(LIMIT_MS, () => attempt(source))),
    { numRuns: 1_500, seed: 4 },
  );
});
