/** Slices of arrays and strings. */
import { runtimeFault } from "./errors.ts";
import { allocateItems } from "./meter.ts";
import { codePoints, isPlain } from "./text.ts";
import { typeName, type Value } from "./value.ts";

/** Where a slice begins and ends, and its step; null stands for everything. */
export interface SliceBounds {
  readonly from: Value;
  readonly end: Value;
  readonly step: Value;
}

/** Each `step`-th element from `from` up to `end`; negative bounds count from behind. */
export function slice(target: Value, bounds: SliceBounds, at?: number): Value {
  const isText = typeof target === "string";
  if (!isText && !Array.isArray(target)) {
    throw runtimeFault(`Slices are of arrays and strings, not of ${typeName(target)}.`, at);
  }
  const items = isText && !isPlain(target) ? codePoints(target) : target;
  const step = whole(bounds.step, "step", at) ?? 1;
  if (step < 1) throw runtimeFault(`The step of a slice is at least 1, not ${step}.`, at);
  const from = position(whole(bounds.from, "start", at) ?? 0, items.length);
  const end = position(whole(bounds.end, "end", at) ?? items.length, items.length);
  allocateItems(Math.max(0, end - from) / step);
  if (typeof items === "string" && step === 1) return items.slice(from, Math.max(from, end));
  const picked: unknown[] = [];
  for (let i = from; i < end; i += step) picked.push(items[i]);
  return isText ? picked.join("") : (picked as Value);
}

function position(bound: number, length: number): number {
  return bound < 0 ? Math.max(0, length + bound) : Math.min(bound, length);
}

function whole(bound: Value, name: string, at?: number): number | null {
  if (bound === null || (typeof bound === "number" && Number.isInteger(bound))) return bound;
  throw runtimeFault(`The ${name} of a slice is a whole number or null.`, at);
}
