/**
 * What one evaluation of a CEL filter may cost. The language has no endless loops, but a list that is
 * searched for each of its own items takes the square of its length, and a record holds 500,000 items.
 */
import { type CelFunc, celEnv, isCelList, isCelMap } from "@bufbuild/cel";

/** Steps of one evaluation: a call, an item that is compared, 8 characters. About 40 ms at most. */
const STEPS_MAX = 1_000_000;
/** Items of a record times the parts of the body of a loop. */
const LOOP_STEPS_MAX = 20_000_000;
/** Functions whose cost grows with what lists and maps hold. */
const DEEP: ReadonlySet<string> = new Set(["_==_", "_!=_", "@in", "_+_"]);

/** An evaluation took more steps than it may. */
export class CelCostError extends Error {
  override readonly name = "CelCostError";

  constructor() {
    super(`the filter takes more than ${STEPS_MAX} steps for a record`);
  }
}

/** One thread evaluates one filter at a time. */
let steps = 0;

/** Runs an evaluation with a full budget. Throws CelCostError, which no operator of CEL absorbs. */
export function withCelMeter<Result>(work: () => Result): Result {
  steps = STEPS_MAX;
  return work();
}

/** Refuses a loop whose body of so many parts could run for so many items. */
export function checkLoops(items: number, parts: number): void {
  if (items * parts > LOOP_STEPS_MAX) throw new CelCostError();
}

/** The functions of CEL; each pays before it runs. */
export function meteredFunctions(): CelFunc[] {
  return [...celEnv().funcs].map(metered);
}

function metered(func: CelFunc): CelFunc {
  const costOf = func.name === "matches" ? matchCost : DEEP.has(func.name) ? deepCost : textCost;
  const call: CelFunc["call"] = (id, target, args) => {
    spend(1);
    for (const arg of args) costOf(arg);
    costOf(target);
    return func.call(id, target, args);
  };
  // The library knows its functions by a property that only they have.
  return Object.create(func, { call: { value: call } }) as CelFunc;
}

function spend(count: number): void {
  steps -= count;
  if (steps < 0) throw new CelCostError();
}

function textCost(value: unknown): void {
  if (typeof value === "string") spend(value.length >> 3);
}

/** A pattern is compiled for each match, and read for each character. */
function matchCost(value: unknown): void {
  if (typeof value === "string") spend(value.length);
}

function deepCost(value: unknown): void {
  textCost(value);
  if (isCelList(value)) {
    spend(value.size);
    for (const item of value) deepCost(item);
  } else if (isCelMap(value)) {
    spend(value.size);
    for (const [, item] of value) deepCost(item);
  }
}
