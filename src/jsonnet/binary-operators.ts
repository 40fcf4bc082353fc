/** Binary operators as functions of two values. */
import { bitwise } from "./bits.ts";
import { runtimeFault } from "./errors.ts";
import { formatText } from "./format.ts";
import { hasField } from "./object.ts";
import { checkNumber, compare, equals } from "./operators.ts";
import { JsonnetObject, typeName, type Value } from "./value.ts";

/** A binary operator that evaluates both sides; its faults have no place yet. */
export type BinaryOperator = (left: Value, right: Value) => Value;

/** Operators by name; `+`, `&&` and `||` are the compiler's own. */
export const BINARY_OPERATORS: Readonly<Record<string, BinaryOperator>> = {
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
export const modulo: BinaryOperator = BINARY_OPERATORS["%"] as BinaryOperator;

function arithmetic(
  operator: string,
  run: (left: number, right: number) => number,
): BinaryOperator {
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
