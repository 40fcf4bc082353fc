/** Fields, elements, slices, and fields of `super`. */
import type { NodeOf } from "./ast.ts";
import type { Compiler } from "./compiler.ts";
import { runtimeFault, syntaxFault } from "./errors.ts";
import { fieldOf, findField, hasField } from "./object.ts";
import { findObject, frameAt, type Scope } from "./scope.ts";
import { slice } from "./slice.ts";
import { codePoints, isPlain } from "./text.ts";
import { type Code, type Frame, itemAt, JsonnetObject, typeName, type Value } from "./value.ts";

/** Code for `target[index]` and `target.name`. */
export function compileIndex(compiler: Compiler, node: NodeOf<"index">, scope: Scope): Code {
  const { at, index: key } = node;
  const target = compiler.compile(node.target, scope);
  if (key.kind === "literal" && typeof key.value === "string") {
    const name = key.value;
    return (frame) => {
      const value = target(frame);
      return value instanceof JsonnetObject ? fieldOf(value, name, at) : indexed(value, name, at);
    };
  }
  const index = compiler.compile(key, scope);
  return (frame) => indexed(target(frame), index(frame), at);
}

function indexed(target: Value, index: Value, at: number): Value {
  if (target instanceof JsonnetObject) {
    if (typeof index === "string") return fieldOf(target, index, at);
    throw runtimeFault(`A field is named by a string, not ${typeName(index)}.`, at);
  }
  const isText = typeof target === "string";
  if (!isText && !Array.isArray(target)) {
    throw runtimeFault(`A value of type ${typeName(target)} has no fields or elements.`, at);
  }
  if (typeof index !== "number") {
    throw runtimeFault(`An index is a number, not ${typeName(index)}.`, at);
  }
  const items = isText && !isPlain(target) ? codePoints(target) : target;
  if (!Number.isInteger(index) || index < 0 || index >= items.length) {
    throw runtimeFault(`The index ${index} is not within 0 to ${items.length - 1}.`, at);
  }
  return Array.isArray(target) ? itemAt(target, index) : (items[index] as string);
}

/** Code for `target[from:end:step]`. */
export function compileSlice(compiler: Compiler, node: NodeOf<"slice">, scope: Scope): Code {
  const target = compiler.compile(node.target, scope);
  const bounds = node.bounds.map((bound) => (bound ? compiler.compile(bound, scope) : null));
  return (frame) => {
    const value = target(frame);
    const [from = null, end = null, step = null] = bounds.map((bound) => bound?.(frame) ?? null);
    return slice(value, { from, end, step }, node.at);
  };
}

/** Code for `super.name`: the field as the layers below this object literal have it. */
export function compileSuperIndex(
  compiler: Compiler,
  node: NodeOf<"superIndex">,
  scope: Scope,
): Code {
  const read = compileSuper(compiler, node, scope);
  return (frame) => {
    const { object, name, top } = read(frame);
    if (top < 0)
      throw runtimeFault("There is nothing for super to read: no object below.", node.at);
    const value = findField(object, name, top);
    if (value === undefined) {
      throw runtimeFault(`super has no field ${JSON.stringify(name)}.`, node.at);
    }
    return value;
  };
}

/** Code for `name in super`. */
export function compileInSuper(compiler: Compiler, node: NodeOf<"inSuper">, scope: Scope): Code {
  const read = compileSuper(compiler, node, scope);
  return (frame) => {
    const { object, name, top } = read(frame);
    return hasField(object, name, top);
  };
}

interface SuperField {
  readonly object: JsonnetObject;
  readonly name: string;
  /** The layer below the one that says `super`. */
  readonly top: number;
}

function compileSuper(
  compiler: Compiler,
  node: NodeOf<"superIndex" | "inSuper">,
  scope: Scope,
): (frame: Frame) => SuperField {
  const { at } = node;
  const hops = findObject(scope, "self");
  if (hops === undefined) throw syntaxFault(at, '"super" has a meaning only within an object.');
  const index = compiler.compile(node.index, scope);
  return (frame) => {
    const name = index(frame);
    if (typeof name !== "string") {
      throw runtimeFault(`A field is named by a string, not ${typeName(name)}.`, at);
    }
    const [, object, layer] = frameAt(frame, hops) as [Frame, JsonnetObject, number];
    return { object, name, top: layer - 1 };
  };
}
