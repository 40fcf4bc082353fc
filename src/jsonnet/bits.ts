/** Bitwise operators: on 64-bit integers, of numbers that are safe as integers. */
import { runtimeFault } from "./errors.ts";
import { typeName, type Value } from "./value.ts";

const OPERATORS: Readonly<Record<string, (left: bigint, right: bigint) => bigint>> = {
  "<<": (left, right) => left << (right % 64n),
  ">>": (left, right) => left >> (right % 64n),
  "&": (left, right) => left & right,
  "|": (left, right) => left | right,
  "^": (left, right) => left ^ right,
};

/** The function of an operator. Fractions are dropped; shifts by negative numbers are faults. */
export function bitwise(operator: string): (left: Value, right: Value) => number {
  const run = OPERATORS[operator] as (left: bigint, right: bigint) => bigint;
  const isShift = operator === "<<" || operator === ">>";
  return (left, right) => {
    const [a, b] = [toInteger(left, operator), toInteger(right, operator)];
    if (isShift && b < 0) throw runtimeFault("Shift by a negative number.");
    const result = run(BigInt(a), BigInt(b));
    if (BigInt.asIntN(64, result) === result) return Number(result);
    throw runtimeFault(`The result of ${operator} has more than 64 bits.`);
  };
}

/** `~`: all bits inverted. */
export function invertBits(value: number): number {
  return -Math.trunc(value) - 1;
}

function toInteger(value: Value, operator: string): number {
  if (typeof value !== "number") {
    throw runtimeFault(`${operator} wants numbers, not ${typeName(value)}.`);
  }
  const whole = Math.trunc(value);
  if (!Number.isSafeInteger(whole)) {
    throw runtimeFault(`${operator} wants numbers between -(2^53 - 1) and 2^53 - 1.`);
  }
  return whole;
}
