/** JSON of the host as values of a template. Nothing is copied before it is read. */
import { runtimeFault } from "./errors.ts";
import { allocateItems } from "./meter.ts";
import {
  Closure,
  type Field,
  type Frame,
  type Item,
  JsonnetObject,
  Native,
  type ObjectPlan,
  Thunk,
  type Value,
} from "./value.ts";

/** The plan of objects without code of their own. */
export const BARE_PLAN: ObjectPlan = { size: 3, locals: [], asserts: [] };

/** The frame of what needs no variables. */
export const NO_FRAME: Frame = [];

/**
 * A value for `given`: JSON as JSON.parse makes it, or a value of the template that was handed to the
 * host and comes back.
 */
export function fromHost(given: unknown): Value {
  switch (typeof given) {
    case "string":
    case "boolean":
      return given;
    case "number":
      if (Number.isFinite(given)) return given;
      break;
    case "object":
      if (given === null) return null;
      if (Array.isArray(given)) return fromHostArray(given);
      if (isTemplateValue(given)) return given;
      return new JsonnetObject([rawLayer(given as Record<string, unknown>)], false);
  }
  throw runtimeFault(`A host function gave ${String(given)}, which is not JSON.`);
}

function isTemplateValue(given: object): given is JsonnetObject | Closure | Native {
  return given instanceof JsonnetObject || given instanceof Closure || given instanceof Native;
}

function rawLayer(raw: Readonly<Record<string, unknown>>) {
  return { plan: BARE_PLAN, fields: NO_FIELDS, frame: NO_FRAME, raw };
}

const NO_FIELDS: ReadonlyMap<string, Field> = new Map();

function fromHostArray(given: readonly unknown[]): Item[] {
  allocateItems(given.length);
  return given.map((item) => {
    if (item instanceof Thunk) return item;
    return Array.isArray(item) ? new Thunk(nestedArray, [item]) : fromHost(item);
  });
}

/** Arrays within arrays wait, so that no depth of JSON becomes a depth of the stack. */
function nestedArray(frame: Frame): Value {
  return fromHostArray(frame[0] as readonly unknown[]);
}
