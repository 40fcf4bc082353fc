/** Sources that are no programs, or hardly. */
import fc from "fast-check";
import { expect } from "vitest";
import { compileTemplate, JsonnetError } from "../../src/jsonnet/index.ts";
import { withinMs } from "../support/case-time.ts";
import { programs } from "./programs.ts";

const PIECES = (
  "{ } [ ] ( ) , . ; : :: ::: + - * / % & | ^ ~ ! = == != < > <= >= << >> && || $ # // /* */ ' \" @' @\" ||| |||- " +
  "assert else error false for function if import in local null self super tailstrict then true " +
  "x y std std.map 0 1 1.5 1e9 0x _ \\ \\u00e9 💩 é \u0000 \n \t +: +:: \\n"
)
  .split(" ")
  .concat([" ", "\n", "  "]);

const soup = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 60 })
  .map((parts) => parts.join(" "));
const glued = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 40 })
  .map((parts) => parts.join(""));
const text = fc.string({ unit: "binary", maxLength: 80 });
/** A program with a piece cut out and another put in its place. */
const broken = fc
  .tuple(programs, fc.nat(), fc.nat(30), fc.constantFrom(...PIECES))
  .map(([program, at, length, piece]) => {
    const from = at % (program.length + 1);
    return program.slice(0, from) + piece + program.slice(from + length);
  });

/**
 * Compiles, evaluates with small budgets, and lets through nothing but a JsonnetError with a place,
 * within 50 ms.
 */
export function survives(source: string): void {
  withinMs(50, () => attempt(source));
}

function attempt(source: string): void {
  try {
    compileTemplate(source).evaluate(undefined, { steps: 2_000, allocation: 200_000 });
  } catch (error) {
    if (!(error instanceof JsonnetError)) throw error;
    if (error.kind === "syntax") expect(error.line).toBeGreaterThan(0);
  }
}

/** Kinds of sources, each with its part of 100,000 cases. */
export const SOURCES: readonly { name: string; sources: fc.Arbitrary<string>; runs: number }[] = [
  { name: "tokens", sources: soup, runs: 40_000 },
  { name: "tokens without blanks", sources: glued, runs: 35_000 },
  { name: "arbitrary text", sources: text, runs: 22_000 },
  { name: "broken programs", sources: broken, runs: 3_000 },
];
