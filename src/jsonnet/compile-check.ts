/** Conditions, errors and assertions. */
import type { Node } from "./ast.ts";
import { runtimeFault } from "./errors.ts";
import { toText } from "./manifest.ts";
import { allocate } from "./meter.ts";
import { type Code, typeName, type Value } from "./value.ts";

/** The value of a condition, which has to be a boolean. */
export function isTrue(value: Value, at: number): boolean {
  if (typeof value === "boolean") return value;
  throw runtimeFault(`The condition has to be a boolean, not ${typeName(value)}.`, at);
}

/** Code that fails with what `message` gives. */
export function compileError(message: Code, at: number): Code {
  return (frame) => {
    const text = toText(message(frame));
    allocate(text.length);
    throw runtimeFault(text, at);
  };
}

/** Code that fails with the message unless the test is true. */
export function compileCheck(
  node: { readonly at: number; readonly test: Node; readonly message: Node | null },
  compile: (part: Node) => Code,
  fallback: string,
): Code {
  const { at } = node;
  const test = compile(node.test);
  const fail = compileError(node.message ? compile(node.message) : () => fallback, at);
  return (frame) => (isTrue(test(frame), at) ? true : fail(frame));
}
