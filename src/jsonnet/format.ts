/** `std.format` and the operator `%`: Python's formats, as the standard library defines them. */
import { runtimeFault } from "./errors.ts";
import { type FormatCode, parseFormat } from "./format-code.ts";
import {
  renderFloat,
  renderGeneral,
  renderHex,
  renderInteger,
  renderScientific,
} from "./format-number.ts";
import { toText } from "./manifest.ts";
import { allocate } from "./meter.ts";
import { fieldOf, hasField } from "./object.ts";
import { lengthOf } from "./text.ts";
import { force, type Item, itemAt, JsonnetObject, typeName, type Value } from "./value.ts";

/** The format with the values put in: an array in order, an object by name, else a single value. */
export function formatText(format: string, values: Value): string {
  const codes = parseFormat(format);
  if (values instanceof JsonnetObject) return formatNamed(codes, values);
  return formatOrdered(codes, Array.isArray(values) ? values : [values]);
}

function formatOrdered(codes: readonly (string | FormatCode)[], items: Item[]): string {
  let next = 0;
  const take = (): Value => {
    if (next < items.length) return itemAt(items, next++);
    throw runtimeFault(`Not enough values to format: there are ${items.length}.`);
  };
  const parts = codes.map((code) => {
    if (typeof code === "string") return code;
    const width = code.width === "*" ? takeNumber(take) : code.width;
    const precision = code.precision === "*" ? takeNumber(take) : code.precision;
    if (code.type === "%") return pad("%", width, code.left);
    return pad(render(take(), { ...code, width, precision }), width, code.left);
  });
  if (next < items.length) {
    throw runtimeFault(`Too many values to format: ${items.length}, expected ${next}.`);
  }
  return join(parts);
}

function formatNamed(codes: readonly (string | FormatCode)[], object: JsonnetObject): string {
  const parts = codes.map((code) => {
    if (typeof code === "string") return code;
    const { key, width, precision, type, left } = code;
    if (width === "*" || precision === "*") {
      throw runtimeFault("The values of an object cannot be used as a width or precision (*).");
    }
    if (type === "%") return pad("%", width, left);
    if (key === null) throw runtimeFault("Each format of an object needs a name: %(name)s.");
    if (!hasField(object, key, object.layers.length - 1)) {
      throw runtimeFault(`The object has no field ${JSON.stringify(key)}.`);
    }
    return pad(render(fieldOf(object, key), { ...code, width, precision }), width, left);
  });
  return join(parts);
}

function join(parts: readonly string[]): string {
  allocate(parts.reduce((sum, part) => sum + part.length, 0));
  return parts.join("");
}

function takeNumber(take: () => Value): number {
  const value = force(take());
  if (typeof value === "number") return value;
  throw runtimeFault(`A width or precision is a number, not ${typeName(value)}.`);
}

function pad(text: string, width: number, left: boolean): string {
  const missing = Math.ceil(width - lengthOf(text));
  if (missing <= 0) return text;
  allocate(missing);
  const blanks = " ".repeat(missing);
  return left ? text + blanks : blanks + text;
}

interface Resolved extends FormatCode {
  readonly width: number;
  readonly precision: number | null;
}

function render(value: Value, code: Resolved): string {
  if (code.type === "s") return toText(value);
  if (code.type === "c") return renderCharacter(value);
  if (typeof value !== "number") {
    throw runtimeFault(`%${code.type} wants a number, not ${typeName(value)}.`);
  }
  const { precision, plus, blank, alternate, upper } = code;
  const zeros = code.zero && !code.left ? code.width : 0;
  const style = { zeros, plus, blank };
  const whole = { negative: value <= -1, digits: precision ?? 0 };
  switch (code.type) {
    case "d":
      return renderInteger(Math.floor(Math.abs(value)), {
        ...style,
        ...whole,
        radix: 10,
        prefix: "",
      });
    case "o": {
      const prefix = alternate ? "0" : "";
      return renderInteger(Math.floor(Math.abs(value)), { ...style, ...whole, radix: 8, prefix });
    }
    case "x":
      return renderHex(Math.floor(value), { ...style, digits: precision ?? 0, alternate, upper });
  }
  const float = { ...style, upper, point: alternate, precision: precision ?? 6 };
  if (code.type === "f") return renderFloat(value, { ...float, trailing: true });
  if (code.type === "e") return renderScientific(value, { ...float, trailing: true });
  return renderGeneral(value, { ...float, trailing: alternate });
}

function renderCharacter(value: Value): string {
  if (typeof value === "number" && value >= 0 && value <= 0x10ffff) {
    return String.fromCodePoint(Math.floor(value)).toWellFormed();
  }
  if (typeof value === "string" && lengthOf(value) === 1) return value;
  throw runtimeFault("%c wants a code point, or a string of one character.");
}
