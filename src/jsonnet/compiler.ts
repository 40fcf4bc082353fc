/** What the files of the compiler share: the way back into it, and the environment of a template. */
import type { Node } from "./ast.ts";
import { findName, frameAt, type Scope } from "./scope.ts";
import { type Code, type Frame, type Item, type Native, Thunk, type Value } from "./value.ts";

/** Turns expressions into code. */
export interface Compiler {
  /** Names that are bound outside of the template: `std`, and the functions of the host. */
  readonly globals: ReadonlyMap<string, Value>;
  /** Functions of the host that compile their own calls. */
  readonly preparers: ReadonlyMap<Native, Preparer>;
  /** The functions of `std`, to be called without looking them up in the object. */
  readonly std: ReadonlyMap<string, Value>;
  /** Code that gives the value of an expression. */
  compile(node: Node, scope: Scope): Code;
  /** The same, where a call may be left to the caller's loop: the end of a function. */
  compileTail(node: Node, scope: Scope): Code;
}

/** Given the arguments of one call, literals by value, makes a function for just that call. */
export type Preparer = (args: readonly PreparedArgument[]) => Native["run"] | undefined;

/** A literal, or nothing (`value` undefined) where an argument is left out; undefined: known later. */
export type PreparedArgument = { readonly value: Value | undefined } | undefined;

/** Gives an item for an argument or an element, evaluating nothing that could fail. */
export type ItemCode = (frame: Frame) => Item;

/** Code for something that may never be needed: a thunk, or the value where that is no work. */
export function compileItem(compiler: Compiler, node: Node, scope: Scope): ItemCode {
  switch (node.kind) {
    case "variable":
      return variableItem(node.name, scope) ?? compiler.compile(node, scope);
    case "literal":
    case "function":
    case "self":
      return compiler.compile(node, scope);
    case "array":
      if (node.items.length === 0) return compiler.compile(node, scope);
  }
  return compileThunk(compiler, node, scope);
}

/** Code for a thunk in any case: variables that are being bound cannot be handed on yet. */
export function compileThunk(compiler: Compiler, node: Node, scope: Scope): ItemCode {
  const code = compiler.compile(node, scope);
  return (frame) => new Thunk(code, frame);
}

/** A variable is handed on as it is, evaluated or not. */
function variableItem(name: string, scope: Scope): ItemCode | undefined {
  const place = findName(scope, name);
  if (!place) return undefined;
  const { hops, slot } = place;
  return (frame) => frameAt(frame, hops)[slot] as Item;
}
