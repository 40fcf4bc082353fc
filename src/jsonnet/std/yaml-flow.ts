/** YAML's collections in brackets: JSON with fewer quotes. */
import { enter, leave, spend } from "../meter.ts";
import { isIndicator, skipBlanks, type YamlCursor, yamlFault } from "./yaml-cursor.ts";
import { readPlainLine, readQuoted, resolvePlain } from "./yaml-scalar.ts";

/** `[…]` or `{…}`. */
export function readFlow(cursor: YamlCursor): unknown {
  enter();
  const isList = cursor.text[cursor.at++] === "[";
  const value = isList ? readList(cursor) : readMap(cursor);
  leave();
  return value;
}

function readList(cursor: YamlCursor): unknown[] {
  const items: unknown[] = [];
  readParts(cursor, "]", () => {
    const item = readItem(cursor);
    skipBlanks(cursor);
    if (!isColon(cursor, item.quoted)) items.push(item.value);
    else items.push(Object.fromEntries([[item.key, readAfterColon(cursor)]]));
  });
  return items;
}

function readMap(cursor: YamlCursor): Record<string, unknown> {
  const map: Record<string, unknown> = Object.create(null);
  readParts(cursor, "}", () => {
    const { key, quoted } = readItem(cursor);
    skipBlanks(cursor);
    if (key in map) throw yamlFault(cursor, `the key ${key} is there twice.`);
    map[key] = isColon(cursor, quoted) ? readAfterColon(cursor) : null;
  });
  return map;
}

function readParts(cursor: YamlCursor, close: string, readPart: () => void): void {
  skipBlanks(cursor);
  while (cursor.text[cursor.at] !== close) {
    spend(1);
    readPart();
    skipBlanks(cursor);
    if (cursor.text[cursor.at] === ",") cursor.at++;
    else if (cursor.text[cursor.at] !== close)
      throw yamlFault(cursor, `"," or "${close}" expected.`);
    skipBlanks(cursor);
  }
  cursor.at++;
}

/** Behind a quoted key, a colon needs no blank. */
function isColon(cursor: YamlCursor, isQuoted: boolean): boolean {
  if (cursor.text[cursor.at] !== ":") return false;
  const after = cursor.text[cursor.at + 1] ?? "";
  return isQuoted || isIndicator(cursor, cursor.at, ":") || ",[]{}".includes(after);
}

function readAfterColon(cursor: YamlCursor): unknown {
  cursor.at++;
  skipBlanks(cursor);
  return ",}]".includes(cursor.text[cursor.at] ?? "") ? null : readItem(cursor).value;
}

interface FlowItem {
  readonly value: unknown;
  /** The value as a key. */
  readonly key: string;
  readonly quoted: boolean;
}

function readItem(cursor: YamlCursor): FlowItem {
  const char = cursor.text[cursor.at] ?? "";
  if (char === "[" || char === "{") return { value: readFlow(cursor), key: "", quoted: true };
  if (char === '"' || char === "'") {
    const value = readQuoted(cursor);
    return { value, key: value, quoted: true };
  }
  const text = readPlainLine(cursor, true);
  if (char === "*" && cursor.anchors.has(text.slice(1))) {
    return { value: cursor.anchors.get(text.slice(1)), key: "", quoted: false };
  }
  if (text === "" || "*&!|>%@`".includes(char)) throw yamlFault(cursor, "a value is expected.");
  return { value: resolvePlain(text), key: text, quoted: false };
}
