/** Objects: fields, and objects made of others. */

import { call } from "../call.ts";
import { BARE_PLAN, NO_FRAME } from "../host-value.ts";
import { allocateItems, enter, leave, spend } from "../meter.ts";
import { fieldNames, fieldOf, hasField, showsField } from "../object.ts";
import { force, type Item, itemAt, JsonnetObject, type Value } from "../value.ts";
import { asBoolean, asFunction, asObject, asText } from "./check.ts";
import { lazily, lazyObject } from "./lazy.ts";
import { native, type StdFunctions } from "./native.ts";

export const OBJECT_FUNCTIONS: StdFunctions = {
  get: native("o f default?~ inc_hidden?", get),
  objectHas: native("o f", (o: Value, f: Value) => has(o, f, false)),
  objectHasAll: native("o f", (o: Value, f: Value) => has(o, f, true)),
  objectHasEx: native("obj fname hidden", (o: Value, f: Value, hidden: Value) =>
    has(o, f, asBoolean(hidden)),
  ),
  objectFields: native("o", (o: Value) => names(o, false)),
  objectFieldsAll: native("o", (o: Value) => names(o, true)),
  objectFieldsEx: native("obj hidden", (o: Value, hidden: Value) => names(o, asBoolean(hidden))),
  objectValues: native("o", (o: Value) => values(o, false)),
  objectValuesAll: native("o", (o: Value) => values(o, true)),
  objectKeysValues: native("o", (o: Value) => pairs(o, false)),
  objectKeysValuesAll: native("o", (o: Value) => pairs(o, true)),
  objectRemoveKey: native("obj key", removeKey),
  mapWithKey: native("func obj", (func: Value, obj: Value) => {
    const fn = asFunction(func);
    const object = asObject(obj);
    const fields = fieldNames(object, false);
    return lazyObject(
      fields.map((name) => [
        name,
        () =>
          call(
            fn,
            name,
            lazily(() => fieldOf(object, name)),
          ),
      ]),
    );
  }),
  mergePatch: native("target~ patch", mergePatch),
  prune: native("a", prune),
};

function get(o: Value, f: Value, fallback: Item = null, hidden: Value = true): Value {
  const [object, name] = [asObject(o), asText(f)];
  return has(object, name, asBoolean(hidden)) ? fieldOf(object, name) : force(fallback);
}

function has(o: Value, f: Value, withHidden: boolean): boolean {
  const [object, name] = [asObject(o), asText(f)];
  return withHidden ? hasField(object, name, object.layers.length - 1) : showsField(object, name);
}

function names(o: Value, withHidden: boolean): string[] {
  const found = fieldNames(asObject(o), withHidden);
  allocateItems(found.length);
  return found.slice();
}

function values(o: Value, withHidden: boolean): Item[] {
  const object = asObject(o);
  return names(object, withHidden).map((name) => lazily(() => fieldOf(object, name)));
}

function pairs(o: Value, withHidden: boolean): Item[] {
  const object = asObject(o);
  const keys = names(object, withHidden);
  spend(keys.length);
  return keys.map((key) =>
    lazyObject([
      ["key", () => key],
      ["value", () => fieldOf(object, key)],
    ]),
  );
}

function removeKey(obj: Value, key: Value): JsonnetObject {
  const { layers, hasUncheckedAsserts } = asObject(obj);
  const removed = { name: asText(key), span: layers.length };
  const mark = { plan: BARE_PLAN, fields: new Map(), frame: NO_FRAME, removed };
  allocateItems(layers.length + 4);
  return new JsonnetObject([...layers, mark], hasUncheckedAsserts);
}

/** RFC 7396. */
function mergePatch(target: Item, patch: Value): Value {
  if (!(patch instanceof JsonnetObject)) return patch;
  const given = force(target);
  const base = given instanceof JsonnetObject ? given : undefined;
  const fields = new Map<string, () => Value>();
  for (const name of base ? fieldNames(base, false) : []) {
    spend(1);
    fields.set(name, () => fieldOf(base as JsonnetObject, name));
  }
  for (const name of fieldNames(patch, false)) {
    spend(2);
    const below = fields.get(name);
    const change = fieldOf(patch, name);
    if (change === null) fields.delete(name);
    else fields.set(name, () => mergePatch(below ? below() : null, change));
  }
  return lazyObject(fields);
}

/** The value without nulls and what is empty, at any depth. */
function prune(value: Value): Value {
  if (Array.isArray(value)) {
    enter();
    spend(value.length);
    const kept = value.map((_, i) => prune(itemAt(value, i))).filter(hasContent);
    leave();
    allocateItems(kept.length);
    return kept;
  }
  if (!(value instanceof JsonnetObject)) return value;
  enter();
  const kept = fieldNames(value, false)
    .map((name) => {
      spend(4);
      return [name, prune(fieldOf(value, name))] as const;
    })
    .filter(([, field]) => hasContent(field));
  leave();
  return lazyObject(kept.map(([name, field]) => [name, () => field]));
}

function hasContent(value: Value): boolean {
  if (value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  return !(value instanceof JsonnetObject) || fieldNames(value, false).length > 0;
}
