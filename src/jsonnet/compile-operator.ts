/** Unary and binary operators. */
import type { NodeOf } from "./ast.ts";
import { BINARY_OPERATORS, type BinaryOperator } from "./binary-operators.ts";
import { invertBits } from "./bits.ts";
import type { Compiler } from "./compiler.ts";
import { locate, runtimeFault } from "./errors.ts";
import { add } from "./operators.ts";
import type { Scope } from "./scope.ts";
import { type Code, typeName, type Value } from "./value.ts";

/** Code for `operator operand`. */
export function compileUnary(compiler: Compiler, node: NodeOf<"unary">, scope: Scope): Code {
  const { operator, at } = node;
  const operand = compiler.compile(node.operand, scope);
  if (operator === "!") return (frame) => !asBoolean(operand(frame), operator, at);
  return (frame) => {
    const value = operand(frame);
    if (typeof value !== "number") {
      throw runtimeFault(`${operator} wants a number, not ${typeName(value)}.`, at);
    }
    if (operator === "-") return -value;
    return operator === "+" ? value : invertBits(value);
  };
}

/** Code for `left operator right`. */
export function compileBinary(compiler: Compiler, node: NodeOf<"binary">, scope: Scope): Code {
  const { operator, at } = node;
  const left = compiler.compile(node.left, scope);
  const right = compiler.compile(node.right, scope);
  switch (operator) {
    case "&&":
      return (frame) =>
        asBoolean(left(frame), operator, at) && asBoolean(right(frame), operator, at);
    case "||":
      return (frame) =>
        asBoolean(left(frame), operator, at) || asBoolean(right(frame), operator, at);
    case "+":
      return (frame) => add(left(frame), right(frame), at);
  }
  const run = BINARY_OPERATORS[operator] as BinaryOperator;
  return (frame) => {
    const [a, b] = [left(frame), right(frame)];
    try {
      return run(a, b);
    } catch (error) {
      throw locate(error, at);
    }
  };
}

function asBoolean(value: Value, operator: string, at: number): boolean {
  if (typeof value === "boolean") return value;
  throw runtimeFault(`${operator} wants booleans, not ${typeName(value)}.`, at);
}
