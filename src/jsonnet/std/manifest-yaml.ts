/** YAML as text. */
import { runtimeFault } from "../errors.ts";
import { allocate, enter, leave, spend } from "../meter.ts";
import { plainText } from "../number-text.ts";
import { checkAsserts, fieldNames, fieldOf } from "../object.ts";
import { quote } from "../quote.ts";
import { type Item, itemAt, JsonnetObject, type Value } from "../value.ts";
import { asArray, asBoolean } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const YAML_FUNCTIONS: StdFunctions = {
  manifestYamlDoc: native(
    "value indent_array_in_object? quote_keys?",
    (value: Value, indentArrays: Value = false, quoteKeys: Value = true) =>
      write(value, "", optionsOf(indentArrays, quoteKeys)),
  ),
  manifestYamlStream: native(
    "value indent_array_in_object? c_document_end? quote_keys?",
    (value: Value, ...rest: (Value | undefined)[]) => {
      const [indentArrays = false, documentEnd = true, quoteKeys = true] = rest;
      const options = optionsOf(indentArrays, quoteKeys);
      const items = asArray(value);
      const documents = items.map((_, i) => write(itemAt(items, i), "", options));
      return `---\n${documents.join("\n---\n")}${asBoolean(documentEnd) ? "\n...\n" : "\n"}`;
    },
  ),
};

interface YamlOptions {
  readonly indentArrays: boolean;
  readonly quoteKeys: boolean;
}

function optionsOf(indentArrays: Value, quoteKeys: Value): YamlOptions {
  return { indentArrays: asBoolean(indentArrays), quoteKeys: asBoolean(quoteKeys) };
}

function write(value: Value, indent: string, options: YamlOptions): string {
  if (typeof value === "string") return paid(writeText(value, indent));
  if (typeof value === "number") return paid(plainText(value));
  if (value === null || typeof value === "boolean") return String(value);
  enter();
  const text = writeParts(value, indent, options);
  leave();
  return text;
}

function writeParts(value: Value, indent: string, options: YamlOptions): string {
  let parts: string[];
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    spend(value.length);
    parts = value.map((_, i) => writeElement(itemAt(value, i), indent, options));
  } else if (value instanceof JsonnetObject) {
    checkAsserts(value);
    const names = fieldNames(value, false);
    if (names.length === 0) return "{}";
    parts = names.map((name) => {
      spend(2);
      const key = options.quoteKeys || !isBareKey(name) ? quote(name) : name;
      return `${key}:${writeField(fieldOf(value, name), indent, options)}`;
    });
  } else {
    throw runtimeFault("A function cannot be printed as YAML.");
  }
  return paid(parts.join(`\n${indent}`));
}

function writeElement(item: Value, indent: string, options: YamlOptions): string {
  const deeper = `${indent}  `;
  const isFilledArray = Array.isArray(item) && item.length > 0;
  const space = isFilledArray ? `\n${deeper}` : " ";
  const isFilled = isFilledArray || (item instanceof JsonnetObject && hasFields(item));
  return `-${space}${write(item, isFilled ? deeper : indent, options)}`;
}

function writeField(value: Value, indent: string, options: YamlOptions): string {
  const deeper = `${indent}  `;
  if (Array.isArray(value) && (value as Item[]).length > 0) {
    const inner = options.indentArrays ? deeper : indent;
    return `\n${inner}${write(value, inner, options)}`;
  }
  if (value instanceof JsonnetObject && hasFields(value)) {
    return `\n${deeper}${write(value, deeper, options)}`;
  }
  return ` ${write(value, indent, options)}`;
}

function hasFields(object: JsonnetObject): boolean {
  return fieldNames(object, false).length > 0;
}

/** Text that ends in a newline becomes a block, everything else is quoted. */
function writeText(text: string, indent: string): string {
  if (!text.endsWith("\n")) return quote(text);
  spend(text.length >> 3);
  const lines = text.slice(0, -1).split("\n");
  return `|${lines.map((line) => `\n${indent}  ${line}`).join("")}`;
}

const RESERVED: ReadonlySet<string> = new Set(
  "true false yes no on off y n .nan -.inf +.inf .inf null - ---".split(" "),
);

/** Whether a key can stand without quotes and is read as a string by every YAML parser. */
function isBareKey(key: string): boolean {
  if (!/^[A-Za-z0-9_/.-]+$/.test(key)) return false;
  const lower = key.toLowerCase();
  if (RESERVED.has(lower)) return false;
  const count = (char: string) => lower.split(char).length - 1;
  const dashes = count("-");
  const isDate = /^[0-9-]+$/.test(key) && dashes === 2;
  const isInteger = /^[0-9_-]+$/.test(key) && dashes < 2;
  const isBinary = /^-?0b[0-9b_-]+$/.test(key);
  const isHex = /^-?0x[0-9a-fx_-]+$/i.test(key) && !key.includes("X") && dashes < 2;
  const isFloat = /^[0-9e._-]+$/.test(lower) && count(".") === 1 && dashes < 3 && count("e") < 2;
  return !(isDate || isInteger || isBinary || isHex || isFloat);
}

function paid(text: string): string {
  allocate(text.length);
  return text;
}
