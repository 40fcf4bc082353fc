/**
 * What the running evaluation has left of its budgets. A thread evaluates one template at a time, so
 * this is one object per thread and not an argument of every function; `withMeter` saves and restores
 * it, so a host function may itself evaluate a template.
 */
import { limitFault } from "./errors.ts";
import type { Limits } from "./limits.ts";

interface Meter {
  steps: number;
  depth: number;
  space: number;
  output: number;
  limits: Limits | undefined;
  /** What the host gave for this evaluation; its functions get it as their first argument. */
  context: unknown;
}

const meter: Meter = {
  steps: 0,
  depth: 0,
  space: 0,
  output: 0,
  limits: undefined,
  context: undefined,
};

/** Runs `work` with full budgets and the given context. */
export function withMeter<Result>(limits: Limits, context: unknown, work: () => Result): Result {
  const { steps, depth, space, output, limits: before, context: contextBefore } = meter;
  meter.steps = limits.steps;
  meter.depth = limits.depth;
  meter.space = limits.allocation;
  meter.output = limits.output;
  meter.limits = limits;
  meter.context = context;
  try {
    return work();
  } finally {
    meter.steps = steps;
    meter.depth = depth;
    meter.space = space;
    meter.output = output;
    meter.limits = before;
    meter.context = contextBefore;
  }
}

/** The context of the running evaluation. */
export function currentContext(): unknown {
  return meter.context;
}

/** One step, one level deeper; every `enter` that returns has its `leave`. */
export function enter(): void {
  if (--meter.steps < 0) throw stepsFault();
  if (--meter.depth < 0) throw depthFault();
}

/** Back from a level. Not needed when an error is thrown: that ends the evaluation. */
export function leave(): void {
  meter.depth++;
}

/** Pays for `count` steps before they are made. */
export function spend(count: number): void {
  meter.steps -= count;
  if (!(meter.steps >= 0)) throw stepsFault();
}

/** Pays for reading `length` characters, which costs far less than a step each. */
export function scan(length: number): void {
  spend(Math.ceil(length / 64));
}

/** Pays for memory before it is taken. */
export function allocate(bytes: number): void {
  meter.space -= bytes;
  if (!(meter.space >= 0)) {
    const { allocation } = meter.limits as Limits;
    throw limitFault("allocation", `The template takes more than ${allocation} bytes of memory.`);
  }
}

/** Pays for a new array of `count` elements: a step for some, and memory for each. */
export function allocateItems(count: number): void {
  allocate(count * 16);
  spend(Math.ceil(count / 4));
}

/** Pays for `length` characters of the result. */
export function emit(length: number): void {
  meter.output -= length;
  if (meter.output < 0) {
    const { output } = meter.limits as Limits;
    throw limitFault("output", `The result is longer than ${output} characters.`);
  }
}

/** The fault of too deep recursion; also what an overflow of the JavaScript stack becomes. */
export function depthFault({ depth }: Limits = meter.limits as Limits) {
  return limitFault("depth", `The template recurses more than ${depth} levels deep.`);
}

function stepsFault() {
  const { steps } = meter.limits as Limits;
  return limitFault("steps", `The template takes more than ${steps} steps.`);
}
