/** The budgets of a template. */

/** Bounds of one evaluation, and of the source. Each is checked before the work that would pass it. */
export interface Limits {
  /** UTF-8 bytes of source. */
  readonly sourceBytes: number;
  /** Brackets within brackets in the source, counted before the parse. */
  readonly nesting: number;
  /** Calls, forced values, fields, and elements that the standard library visits. */
  readonly steps: number;
  /** Calls and forced values within each other; below what the JavaScript stack of a thread holds. */
  readonly depth: number;
  /** Bytes, by a rough tariff: characters 1, array elements 16, fields and calls 64. */
  readonly allocation: number;
  /** Characters of the result as JSON. */
  readonly output: number;
}

/** What a template gets that asks for nothing else: used up in well below 50 ms. */
export const DEFAULT_LIMITS: Limits = {
  sourceBytes: 64 * 1024,
  nesting: 200,
  steps: 100_000,
  depth: 500,
  allocation: 32 * 1024 * 1024,
  output: 1024 * 1024,
};
