/** `std.parseYaml`: documents of YAML as JSON. */
import { fromHost } from "../host-value.ts";
import { allocate, enter, leave, spend } from "../meter.ts";
import type { Value } from "../value.ts";
import { asText } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";
import {
  columnOf,
  isIndicator,
  openCursor,
  skipBlanks,
  skipSpaces,
  type YamlCursor,
  yamlFault,
} from "./yaml-cursor.ts";
import { readFlow } from "./yaml-flow.ts";
import { readBlock, readPlain, readPlainLine, readQuoted, resolvePlain } from "./yaml-scalar.ts";

export const PARSE_YAML_FUNCTIONS: StdFunctions = {
  parseYaml: native("str", (str: Value) => parseYaml(asText(str))),
};

/** One document is its value; with `---` anywhere, the documents are the elements of an array. */
function parseYaml(given: string): Value {
  allocate(given.length * 8);
  spend(given.length >> 2);
  const text = given.replaceAll("\r\n", "\n");
  const parts = text.split(/^---(?=[ \t\n]|$)/m);
  const isStream = parts.length > 1;
  if (/^[\s]*$/.test((parts[0] as string).replace(/^[ \t]*#.*$/gm, "")) && isStream) parts.shift();
  const values = parts.map(parseDocument);
  return fromHost(isStream ? values : (values[0] ?? null));
}

function parseDocument(text: string): unknown {
  const cursor = openCursor(text.replace(/^\.\.\.(?=[ \t\n]|$)[\s\S]*$/m, ""));
  const value = readNode(cursor, { indent: 0, inline: false });
  skipBlanks(cursor);
  if (cursor.at < cursor.text.length) throw yamlFault(cursor, "nothing more is expected here.");
  return value;
}

interface NodePlace {
  /** Columns that the node has to be indented by. */
  readonly indent: number;
  /** Behind a key on the same line: there a collection of lines cannot begin. */
  readonly inline: boolean;
}

function readNode(cursor: YamlCursor, place: NodePlace): unknown {
  spend(1);
  enter();
  const value = readWithin(cursor, place);
  leave();
  return value;
}

function readWithin(cursor: YamlCursor, { indent, inline }: NodePlace): unknown {
  const isLineEnd = skipSpaces(cursor);
  skipBlanks(cursor);
  if (cursor.at >= cursor.text.length || columnOf(cursor) < indent) return null;
  const isInline = inline && !isLineEnd;
  const char = cursor.text[cursor.at] as string;
  if (char === "&") {
    const name = readName(cursor);
    const value = readNode(cursor, { indent, inline: isInline });
    cursor.anchors.set(name, value);
    return value;
  }
  if (char === "!") return readTagged(cursor, { indent, inline: isInline });
  if (char === "|" || char === ">") return readBlock(cursor, indent);
  if (isIndicator(cursor, cursor.at, "?")) throw yamlFault(cursor, "keys are scalars here.");
  if (isIndicator(cursor, cursor.at, "-")) {
    if (isInline) throw yamlFault(cursor, "a list cannot begin on the line of its key.");
    return readSequence(cursor, columnOf(cursor));
  }
  if (keyLength(cursor) !== undefined) {
    if (isInline) throw yamlFault(cursor, "a key is not expected here.");
    return readMapping(cursor, columnOf(cursor));
  }
  return readScalar(cursor, indent);
}

function readScalar(cursor: YamlCursor, indent: number): unknown {
  const char = cursor.text[cursor.at] as string;
  if (char === "*") return readAlias(cursor);
  if (char === "[" || char === "{") return readFlow(cursor);
  if (char === '"' || char === "'") return readQuoted(cursor);
  if ("@`%,]}".includes(char)) throw yamlFault(cursor, `${char} cannot begin a value.`);
  return resolvePlain(readPlain(cursor, indent));
}

function readAlias(cursor: YamlCursor): unknown {
  const name = readName(cursor);
  if (cursor.anchors.has(name)) return cursor.anchors.get(name);
  throw yamlFault(cursor, `there is no anchor &${name} before.`);
}

function readName(cursor: YamlCursor): string {
  const name = /[^\s,[\]{}]*/y;
  name.lastIndex = cursor.at + 1;
  const [found = ""] = name.exec(cursor.text) ?? [];
  cursor.at += 1 + found.length;
  return found;
}

function readTagged(cursor: YamlCursor, place: NodePlace): unknown {
  const tag = readName(cursor);
  if (tag !== "!str" && tag !== "") throw yamlFault(cursor, `the tag !${tag} is not known.`);
  skipSpaces(cursor);
  const isPlain = !`"'|>[{&*\n`.includes(cursor.text[cursor.at] ?? "\n");
  return isPlain ? readPlain(cursor, place.indent) : readNode(cursor, place);
}

function readSequence(cursor: YamlCursor, column: number): unknown[] {
  const items: unknown[] = [];
  while (isNext(cursor, column) && isIndicator(cursor, cursor.at, "-")) {
    cursor.at++;
    items.push(readNode(cursor, { indent: column + 1, inline: false }));
    skipBlanks(cursor);
  }
  return items;
}

function readMapping(cursor: YamlCursor, column: number): Record<string, unknown> {
  const mapping: Record<string, unknown> = Object.create(null);
  const merged: unknown[] = [];
  while (isNext(cursor, column)) {
    if (keyLength(cursor) === undefined) throw yamlFault(cursor, "a key and a colon are expected.");
    const key = readKey(cursor);
    skipSpaces(cursor);
    cursor.at++;
    const value = readFieldValue(cursor, column);
    if (key === "<<") merged.push(value);
    else if (key in mapping) throw yamlFault(cursor, `the key ${key} is there twice.`);
    else mapping[key] = value;
    skipBlanks(cursor);
  }
  // What is merged in never wins over keys of the mapping itself.
  for (const source of merged.flat()) {
    if (typeof source !== "object" || source === null)
      throw yamlFault(cursor, "<< wants mappings.");
    for (const [key, value] of Object.entries(source)) if (!(key in mapping)) mapping[key] = value;
  }
  return mapping;
}

function readFieldValue(cursor: YamlCursor, column: number): unknown {
  const isLineEnd = skipSpaces(cursor);
  if (isLineEnd) {
    skipBlanks(cursor);
    // A list may stand as far left as its key.
    if (columnOf(cursor) === column && isIndicator(cursor, cursor.at, "-")) {
      return readSequence(cursor, column);
    }
  }
  return readNode(cursor, { indent: column + 1, inline: !isLineEnd });
}

function isNext(cursor: YamlCursor, column: number): boolean {
  if (cursor.at >= cursor.text.length) return false;
  const found = columnOf(cursor);
  if (found > column)
    throw yamlFault(cursor, "this is indented differently from what is above it.");
  return found === column;
}

function readKey(cursor: YamlCursor): string {
  const char = cursor.text[cursor.at];
  return char === '"' || char === "'" ? readQuoted(cursor) : readPlainLine(cursor, false);
}

/** The length of a key, when the line goes on with one and its colon. */
function keyLength(cursor: YamlCursor): number | undefined {
  const from = cursor.at;
  const char = cursor.text[from] as string;
  if (`[{*&!|>%@\``.includes(char)) return undefined;
  const ahead: YamlCursor = { ...cursor };
  readKey(ahead);
  if (cursor.text.slice(from, ahead.at).includes("\n")) return undefined;
  skipSpaces(ahead);
  return isIndicator(ahead, ahead.at, ":") ? ahead.at - from : undefined;
}
