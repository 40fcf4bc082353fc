/** Unary and binary operators. */
import type { NodeOf } from "./ast.ts";
import { bitwise, invertBits } from "./bits.ts";
import type { Compiler } from "./compiler.ts";
import { locate, runtimeFault } from "./errors.ts";
import { formatText } from "./format.ts";
import { hasField } from "./object.ts";
import { add, checkNumber, compare, equals } from "./operators.ts";
import type { Scope } from "./scope.ts";
import { type Code, JsonnetObject, typeName, type Value } from "./value.ts";

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
  const run = BINARY[operator] as Binary;
  return (frame) => {
    const [a, b] = [left(frame), right(frame)];
    try {
      return run(a, b);
    } catch (error) {
      throw locate(error, at);
    }
  };
}

type Binary = (left: Value, right: Value) => Value;

const BINARY: Readonly<Record<string, Binary>> = {
  "==": equals,
  "!=": (left, right) => !equals(left, right),
  "<": (left, right) => compare(left, right) < 0,
  "<=": (left, right) => compare(left, right) <= 0,
  ">": (left, right) => compare(left, right) > 0,
  ">=": (left, right) => compare(left, right) >= 0,
  "-": arithmetic("-", (left, right) => left - right),
  "*": arithmetic("*", (left, right) => left * right),
  "/": arithmetic("/", divide),
  "%": (left, right) =>
    typeof left === "string" ? formatText(left, right) : remainder(left, right),
  "<<": bitwise("<<"),
  ">>": bitwise(">>"),
  "&": bitwise("&"),
  "|": bitwise("|"),
  "^": bitwise("^"),
  in: contains,
};

const remainder = arithmetic("%", (left, right) => {
  if (right === 0) throw runtimeFault("Division by zero.");
  return left % right;
});

/** `a % b` of numbers, and of a format with its values. */
export const modulo: Binary = BINARY["%"] as Binary;

function arithmetic(operator: string, run: (left: number, right: number) => number): Binary {
  return (left, right) => {
    if (typeof left !== "number" || typeof right !== "number") {
      const types = `${typeName(left)} ${operator} ${typeName(right)}`;
      throw runtimeFault(`${types} is not defined: both have to be numbers.`);
    }
    return checkNumber(run(left, right));
  };
}

function divide(left: number, right: number): number {
  if (right === 0) throw runtimeFault("Division by zero.");
  return left / right;
}

function contains(name: Value, object: Value): boolean {
  if (!(object instanceof JsonnetObject) || typeof name !== "string") {
    throw runtimeFault(`${typeName(name)} in ${typeName(object)} is not defined.`);
  }
  return hasField(object, name, object.layers.length - 1);
}

function asBoolean(value: Value, operator: string, at: number): boolean {
  if (typeof value === "boolean") return value;
  throw runtimeFault(`${operator} wants booleans, not ${typeName(value)}.`, at);
}
