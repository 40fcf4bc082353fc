/** TOML as text. */
import { runtimeFault } from "../errors.ts";
import { allocate, enter, leave, spend } from "../meter.ts";
import { numberText } from "../number-text.ts";
import { checkAsserts, fieldNames, fieldOf } from "../object.ts";
import { quote } from "../quote.ts";
import { itemAt, JsonnetObject, typeName, type Value } from "../value.ts";
import { asText } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const TOML_FUNCTIONS: StdFunctions = {
  manifestToml: native("value", (value: Value) => manifestToml(value, "  ")),
  manifestTomlEx: native("value indent", manifestToml),
};

function manifestToml(value: Value, indent: Value): string {
  if (value instanceof JsonnetObject) {
    return writeTable(value, { path: [], indent: "", step: asText(indent) });
  }
  throw runtimeFault(`TOML is made of an object, not of ${typeName(value)}.`);
}

interface TomlPlace {
  /** Names of the tables around. */
  readonly path: readonly string[];
  readonly indent: string;
  readonly step: string;
}

/** Plain fields first, then the fields that are tables of their own. */
function writeTable(object: JsonnetObject, place: TomlPlace): string {
  checkAsserts(object);
  enter();
  const plain: string[] = [];
  const tables: string[] = [""];
  for (const name of fieldNames(object, false)) {
    spend(4);
    const value = fieldOf(object, name);
    const inner = { ...place, path: [...place.path, name] };
    if (value instanceof JsonnetObject) tables.push(writeNamedTable("[]", value, inner));
    else if (isTableArray(value)) {
      const all = value.map((table) => writeNamedTable("[[]]", table, inner));
      tables.push(all.join("\n\n"));
    } else {
      plain.push(`${place.indent}${key(name)} = ${writeValue(value, { ...inner, inline: false })}`);
    }
  }
  leave();
  return paid(plain.join("\n") + tables.join("\n\n"));
}

function writeNamedTable(brackets: string, table: JsonnetObject, place: TomlPlace): string {
  const half = brackets.length / 2;
  const [open, close] = [brackets.slice(0, half), brackets.slice(half)];
  const head = `${place.indent}${open}${place.path.map(key).join(".")}${close}`;
  const content = writeTable(table, { ...place, indent: place.indent + place.step });
  return head + (fieldNames(table, false).length > 0 ? "\n" : "") + content;
}

function isTableArray(value: Value): value is JsonnetObject[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((_, i) => itemAt(value, i) instanceof JsonnetObject)
  );
}

function writeValue(value: Value, place: TomlPlace & { readonly inline: boolean }): string {
  if (typeof value === "string") return paid(quote(value));
  if (typeof value === "number") return paid(numberText(value));
  if (typeof value === "boolean") return String(value);
  enter();
  const text = writeParts(value, place);
  leave();
  return paid(text);
}

function writeParts(value: Value, place: TomlPlace & { readonly inline: boolean }): string {
  const { indent, step, inline } = place;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    const inner = { ...place, inline: true };
    spend(value.length);
    const parts = value.map((_, i) => writeValue(itemAt(value, i), inner));
    if (inline) return `[ ${parts.join(", ")} ]`;
    const deeper = indent + step;
    return `[\n${parts.map((part) => deeper + part).join(",\n")}\n${indent}]`;
  }
  if (value instanceof JsonnetObject) {
    const inner = { ...place, inline: true };
    const parts = fieldNames(value, false).map((name) => {
      spend(2);
      return `${key(name)} = ${writeValue(fieldOf(value, name), inner)}`;
    });
    return `{ ${parts.join(", ")} }`;
  }
  throw runtimeFault(`TOML has no ${typeName(value)}, as at ${place.path.map(key).join(".")}.`);
}

function key(name: string): string {
  if (name === "") return "''";
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : quote(name);
}

function paid(text: string): string {
  allocate(text.length);
  return text;
}
