/** From values to JSON text. */
import { runtimeFault } from "./errors.ts";
import { allocate, emit, enter, leave, spend } from "./meter.ts";
import { numberText } from "./number-text.ts";
import { checkAsserts, fieldNames, fieldOf } from "./object.ts";
import { quote } from "./quote.ts";
import { type Item, itemAt, JsonnetObject, type Value } from "./value.ts";

/** How JSON is laid out. */
export interface JsonStyle {
  /** Added to the indentation at each level. */
  readonly indent: string;
  /** Between a bracket and its content. */
  readonly newline: string;
  /** Between elements; the indentation follows. */
  readonly comma: string;
  readonly colon: string;
  /** What empty arrays and objects hold between their brackets; null for two newlines. */
  readonly empty: string | null;
  readonly number: (value: number) => string;
}

/** What the command `jsonnet` prints. */
export const OUTPUT_STYLE: JsonStyle = {
  indent: "   ",
  newline: "\n",
  comma: ",\n",
  colon: ": ",
  empty: " ",
  number: numberText,
};

/** What `std.toString` and string concatenation make. */
export const INLINE_STYLE: JsonStyle = {
  indent: "",
  newline: "",
  comma: ", ",
  colon: ": ",
  empty: " ",
  number: numberText,
};

/** The result of a template as JSON text; paid from the output budget. */
export function manifestOutput(value: Value, style: JsonStyle): string {
  return write(value, "", { style, pay: emit });
}

/** JSON text within a template; paid as memory. */
export function manifestText(value: Value, style: JsonStyle): string {
  return write(value, "", { style, pay: allocate });
}

/** A value as string concatenation sees it: strings as they are, the rest as JSON. */
export function toText(value: Value): string {
  return typeof value === "string" ? value : manifestText(value, INLINE_STYLE);
}

interface Writer {
  readonly style: JsonStyle;
  readonly pay: (length: number) => void;
}

function write(value: Value, indent: string, writer: Writer): string {
  if (Array.isArray(value)) return writeArray(value, indent, writer);
  if (value instanceof JsonnetObject) return writeObject(value, indent, writer);
  const text = writeScalar(value, writer);
  if (typeof value !== "string") writer.pay(text.length);
  return text;
}

function writeScalar(value: Value, { style, pay }: Writer): string {
  if (typeof value === "string") {
    // Paid before the work: a string may be long.
    pay(value.length + 2);
    return quote(value);
  }
  if (typeof value === "number") return style.number(value);
  if (value === null || typeof value === "boolean") return String(value);
  throw runtimeFault("A function cannot be part of JSON.");
}

function writeArray(items: Item[], indent: string, writer: Writer): string {
  const inner = indent + writer.style.indent;
  const parts: string[] = [];
  enter();
  for (let i = 0; i < items.length; i++) {
    spend(1);
    writer.pay(inner.length + 1);
    parts.push(inner + write(itemAt(items, i), inner, writer));
  }
  leave();
  return enclose("[]", parts, indent, writer);
}

function writeObject(object: JsonnetObject, indent: string, writer: Writer): string {
  checkAsserts(object);
  const { colon, indent: more } = writer.style;
  const inner = indent + more;
  const parts: string[] = [];
  enter();
  for (const name of fieldNames(object, false)) {
    const head = inner + quote(name) + colon;
    spend(2);
    writer.pay(head.length + 1);
    parts.push(head + write(fieldOf(object, name), inner, writer));
  }
  leave();
  return enclose("{}", parts, indent, writer);
}

function enclose(brackets: string, parts: string[], indent: string, writer: Writer): string {
  const { newline, comma, empty } = writer.style;
  const [open, close] = brackets;
  writer.pay(indent.length + 2);
  if (parts.length === 0 && empty !== null) return open + empty + close;
  return open + newline + parts.join(comma) + newline + indent + close;
}
