/** Short ways to run templates in tests. */
import { compileTemplate, JsonnetError, type Limits } from "../../src/jsonnet/index.ts";

/** The value of a template without host functions. */
export function evaluate(source: string, limits: Partial<Limits> = {}): unknown {
  return compileTemplate(source, { limits }).evaluate(undefined);
}

/** The error that a template ends in; fails when it gives a value. */
export function failureOf(source: string, limits: Partial<Limits> = {}): JsonnetError {
  try {
    const value = evaluate(source, limits);
    throw new Error(`${source.slice(0, 200)} gave ${JSON.stringify(value)}`);
  } catch (error) {
    if (error instanceof JsonnetError) return error;
    throw error;
  }
}

/** The text a program gives, with a newline, or null when it fails. */
export function textOf(program: string): string | null {
  try {
    return `${compileTemplate(program).evaluateText(undefined)}\n`;
  } catch (error) {
    if (error instanceof JsonnetError) return null;
    throw error;
  }
}
