/** JSON, Python, INI and XML as text; parsing JSON. */
import { runtimeFault } from "../errors.ts";
import { fromHost } from "../host-value.ts";
import { type JsonStyle, manifestText, toText } from "../manifest.ts";
import { allocate, enter, leave, spend } from "../meter.ts";
import { numberText, plainText } from "../number-text.ts";
import { fieldNames, fieldOf, showsField } from "../object.ts";
import { quote } from "../quote.ts";
import { itemAt, JsonnetObject, typeName, type Value } from "../value.ts";
import { asArray, asObject, asText, wrong } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const MANIFEST_FUNCTIONS: StdFunctions = {
  manifestJson: native("value", (value: Value) => manifestJson(value, "    ")),
  manifestJsonMinified: native("value", (value: Value) => manifestJson(value, "", "", ":")),
  manifestJsonEx: native("value indent newline? key_val_sep?", manifestJson),
  manifestPython: native("v", (v: Value) => python(v)),
  manifestPythonVars: native("conf", (conf: Value) => {
    return lines(asObject(conf), (name, value) => [`${name} = ${python(value)}`]);
  }),
  manifestIni: native("ini", manifestIni),
  manifestXmlJsonml: native("value", (value: Value) => {
    asArray(value);
    return xml(value);
  }),
  parseJson: native("str", (str: Value) => parseJson(asText(str))),
};

function manifestJson(value: Value, indent: Value, newline: Value = "\n", colon: Value = ": ") {
  const style: JsonStyle = {
    indent: asText(indent),
    newline: asText(newline),
    comma: `,${asText(newline)}`,
    colon: asText(colon),
    empty: null,
    number: plainText,
  };
  return manifestText(value, style);
}

function parseJson(text: string): Value {
  allocate(text.length * 8);
  spend(text.length >> 4);
  try {
    // Numbers too large for JavaScript are rare, and looked for only where they could be.
    const mayOverflow = /\d[eE]\+?\d{3}|\d{300}/.test(text);
    return fromHost(mayOverflow ? JSON.parse(text, requireFinite) : JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw runtimeFault(`std.parseJson: ${error.message}`);
  }
}

function requireFinite(_: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  throw runtimeFault("std.parseJson: a number is too large.");
}

function python(value: Value): string {
  if (Array.isArray(value)) {
    enter();
    spend(value.length);
    const parts = value.map((_, i) => python(itemAt(value, i)));
    leave();
    return paid(`[${parts.join(", ")}]`);
  }
  if (value instanceof JsonnetObject) {
    enter();
    const parts = fieldNames(value, false).map((name) => {
      spend(2);
      return `${quote(name)}: ${python(fieldOf(value, name))}`;
    });
    leave();
    return paid(`{${parts.join(", ")}}`);
  }
  if (typeof value === "string") return paid(quote(value));
  if (typeof value === "number") return numberText(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value === null) return "None";
  throw runtimeFault("A function cannot be printed as Python.");
}

function manifestIni(ini: Value): string {
  const object = asObject(ini);
  const main = showsField(object, "main") ? body(fieldOf(object, "main")) : "";
  const sections = asObject(fieldOf(object, "sections"));
  return main + lines(sections, (name, section) => [`[${name}]\n${body(section)}`.slice(0, -1)]);
}

function body(section: Value): string {
  return lines(asObject(section), (name, value) => {
    const values = Array.isArray(value) ? value.map((_, i) => itemAt(value, i)) : [value];
    return values.map((each) => `${name} = ${toText(each)}`);
  });
}

function lines(object: JsonnetObject, toLines: (name: string, value: Value) => string[]): string {
  const all = fieldNames(object, false).flatMap((name) => {
    spend(4);
    return toLines(name, fieldOf(object, name));
  });
  return paid(all.map((line) => `${line}\n`).join(""));
}

/** JsonML: `[tag, {attributes}?, …children]`. Nothing is escaped, as the definition has it. */
function xml(value: Value): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw wrong("string or array", value);
  if (value.length === 0) throw runtimeFault("An XML element needs a name.");
  const tag = itemAt(value, 0);
  if (typeof tag !== "string") throw runtimeFault(`An XML name is a string, not ${typeName(tag)}.`);
  const second = value.length > 1 ? itemAt(value, 1) : null;
  const attributes = second instanceof JsonnetObject ? second : undefined;
  enter();
  const head = attributes
    ? fieldNames(attributes, false)
        .map((name) => ` ${name}="${toText(fieldOf(attributes, name))}"`)
        .join("")
    : "";
  const children: string[] = [];
  spend(value.length);
  for (let i = attributes ? 2 : 1; i < value.length; i++) children.push(xml(itemAt(value, i)));
  leave();
  return paid(`<${tag}${head}>${children.join("")}</${tag}>`);
}

function paid(text: string): string {
  allocate(text.length);
  return text;
}
