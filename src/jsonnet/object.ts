/** Objects while a template runs: fields, inheritance, visibility, assertions. */
import { runtimeFault } from "./errors.ts";
import { fromHost } from "./host-value.ts";
import { allocate, enter, leave, spend } from "./meter.ts";
import { compareText } from "./text.ts";
import {
  type Field,
  type Frame,
  JsonnetObject,
  type Layer,
  type ObjectPlan,
  Thunk,
  type Value,
  type Visibility,
} from "./value.ts";

/** The value of a field, hidden or not; a fault when there is none. */
export function fieldOf(object: JsonnetObject, name: string, at?: number): Value {
  const value = findField(object, name, object.layers.length - 1);
  if (value === undefined) {
    throw runtimeFault(`The object has no field ${JSON.stringify(name)}.`, at);
  }
  return value;
}

/**
 * The value of a field as the layers from `top` downwards have it: `super` looks from below its own
 * layer. Undefined when none of them has it.
 */
export function findField(object: JsonnetObject, name: string, top: number): Value | undefined {
  if (object.hasUncheckedAsserts) checkAsserts(object);
  if (top > 8) spend(top >> 3);
  for (let i = top; i >= 0; i--) {
    const layer = object.layers[i] as Layer;
    const field = layer.fields.get(name);
    if (field !== undefined) return fieldValue(object, i, name, field);
    if (layer.removed?.name === name) i -= layer.removed.span;
    if (layer.raw && Object.hasOwn(layer.raw, name)) return fromHost(layer.raw[name]);
  }
  return undefined;
}

/** Whether the layers from `top` downwards have a field, hidden or not. */
export function hasField(object: JsonnetObject, name: string, top: number): boolean {
  if (top > 8) spend(top >> 3);
  for (let i = top; i >= 0; i--) {
    const layer = object.layers[i] as Layer;
    if (layer.fields.has(name)) return true;
    if (layer.removed?.name === name) i -= layer.removed.span;
    if (layer.raw && Object.hasOwn(layer.raw, name)) return true;
  }
  return false;
}

// A field's value is kept per layer, since `super` may read the same name in several of them.
function fieldValue(object: JsonnetObject, index: number, name: string, field: Field): Value {
  const values = valuesOf(object, index);
  const known = values.get(name);
  if (known !== undefined) {
    if (known === RUNNING) {
      throw runtimeFault(`The field ${JSON.stringify(name)} needs itself: infinite recursion.`);
    }
    return known;
  }
  enter();
  values.set(name, RUNNING);
  const layer = object.layers[index] as Layer;
  const frame = field.frame
    ? openFrame(layer.plan, field.frame, object, index)
    : frameOf(object, index);
  const value = field.code(frame);
  leave();
  values.set(name, value);
  return value;
}

const RUNNING = new JsonnetObject([], false);

function valuesOf(object: JsonnetObject, index: number): Map<string, Value> {
  let values = object.values[index];
  if (values === undefined) {
    values = new Map();
    object.values[index] = values;
  }
  return values;
}

function frameOf(object: JsonnetObject, index: number): Frame {
  let frame = object.frames[index];
  if (frame === undefined) {
    const { plan, frame: enclosing } = object.layers[index] as Layer;
    frame = openFrame(plan, enclosing, object, index);
    object.frames[index] = frame;
  }
  return frame;
}

function openFrame(
  plan: ObjectPlan,
  enclosing: Frame,
  ...[object, index]: [JsonnetObject, number]
): Frame {
  const frame: Frame = new Array(plan.size);
  frame[0] = enclosing;
  frame[1] = object;
  frame[2] = index;
  for (const { slot, code } of plan.locals) frame[slot] = new Thunk(code, frame);
  return frame;
}

/** Runs the assertions of all layers, once; while they run, the object counts as checked. */
export function checkAsserts(object: JsonnetObject): void {
  if (!object.hasUncheckedAsserts) return;
  object.hasUncheckedAsserts = false;
  for (let i = object.layers.length - 1; i >= 0; i--) {
    const { asserts } = (object.layers[i] as Layer).plan;
    if (asserts.length === 0) continue;
    enter();
    for (const assert of asserts) assert(frameOf(object, i));
    leave();
  }
}

/** `left + right`: the fields of both, those of the right win and may use `super`. */
export function extendObject(left: JsonnetObject, right: JsonnetObject): JsonnetObject {
  allocate((left.layers.length + right.layers.length) * 32 + 64);
  const layers = left.layers.concat(right.layers);
  return new JsonnetObject(layers, layers.some(hasAsserts));
}

function hasAsserts(layer: Layer): boolean {
  return layer.plan.asserts.length > 0;
}

/** Names of the fields in order of code points. */
export function fieldNames(object: JsonnetObject, withHidden: boolean): readonly string[] {
  if (!withHidden && object.visibleNames) return object.visibleNames;
  const [layer] = object.layers;
  if (!withHidden && object.layers.length === 1 && layer?.visibleNames) return layer.visibleNames;
  const names: string[] = [];
  for (const [name, visibility] of visibilities(object)) {
    if (withHidden || visibility !== "hidden") names.push(name);
  }
  names.sort(compareText);
  if (!withHidden) object.visibleNames = names;
  return names;
}

/** Whether the object shows a field: has it, and not hidden. */
export function showsField(object: JsonnetObject, name: string): boolean {
  for (let i = object.layers.length - 1; i >= 0; i--) {
    const layer = object.layers[i] as Layer;
    const field = layer.fields.get(name);
    if (field && field.visibility !== "inherit") return field.visibility === "visible";
    if (layer.removed?.name === name) i -= layer.removed.span;
  }
  return hasField(object, name, object.layers.length - 1);
}

/** All fields, each with the visibility of the uppermost layer that settles it. */
function visibilities(object: JsonnetObject): Map<string, Visibility> {
  const found = new Map<string, Visibility>();
  const removed: { readonly name: string; readonly from: number; readonly to: number }[] = [];
  const add = (name: string, visibility: Visibility, index: number) => {
    if (removed.some((each) => each.name === name && index < each.from && index >= each.to)) return;
    const known = found.get(name);
    if (known === undefined || known === "inherit") found.set(name, visibility);
  };
  for (let i = object.layers.length - 1; i >= 0; i--) {
    const layer = object.layers[i] as Layer;
    spend(1 + layer.fields.size + removed.length);
    for (const [name, { visibility }] of layer.fields) add(name, visibility, i);
    for (const name of layer.raw ? Object.keys(layer.raw) : []) add(name, "inherit", i);
    if (layer.removed)
      removed.push({ name: layer.removed.name, from: i, to: i - layer.removed.span });
  }
  allocate(found.size * 16);
  return found;
}
