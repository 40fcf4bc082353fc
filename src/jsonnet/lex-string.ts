/** String literals: quoted, verbatim, and text blocks. */
import { syntaxFault } from "./errors.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** The value of a string in quotes, and where it ends. */
export function lexQuoted(source: string, at: number): [text: string, end: number] {
  const quote = source[at];
  const parts: string[] = [];
  let from = at + 1;
  for (let i = from; i < source.length; i++) {
    const char = source[i];
    if (char === quote) {
      parts.push(source.slice(from, i));
      return [parts.join("").toWellFormed(), i + 1];
    }
    if (char !== "\\") continue;
    parts.push(source.slice(from, i));
    const [text, end] = readEscape(source, i);
    parts.push(text);
    from = end;
    i = end - 1;
  }
  throw syntaxFault(at, "The string has no closing quote.");
}

function readEscape(source: string, at: number): [text: string, end: number] {
  const letter = source[at + 1] ?? "";
  if (letter === "u") {
    const digits = source.slice(at + 2, at + 6);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
      throw syntaxFault(at, "\\u wants four hexadecimal digits.");
    }
    return [String.fromCharCode(Number.parseInt(digits, 16)), at + 6];
  }
  const text = ESCAPES[letter];
  if (text === undefined) throw syntaxFault(at, `Unknown escape sequence "\\${letter}".`);
  return [text, at + 2];
}

/** `@'…'` and `@"…"`: no escapes, a doubled quote stands for one. */
export function lexVerbatim(source: string, at: number): [text: string, end: number] {
  const quote = source[at + 1] ?? "";
  if (quote !== '"' && quote !== "'") throw syntaxFault(at, 'Expected a quote after "@".');
  let from = at + 2;
  let text = "";
  while (true) {
    const end = source.indexOf(quote, from);
    if (end < 0) throw syntaxFault(at, "The string has no closing quote.");
    text += source.slice(from, end);
    if (source[end + 1] !== quote) return [text, end + 1];
    text += quote;
    from = end + 2;
  }
}

/**
 * `|||` to `|||`: lines without the indentation of the first one. `|||-` drops the last newline.
 */
export function lexTextBlock(source: string, at: number): [text: string, end: number] {
  const head = /\|\|\|(-?)[ \t\r]*\n/y;
  head.lastIndex = at;
  const opening = head.exec(source);
  if (!opening) throw syntaxFault(at, "A text block wants a new line after |||.");
  const lines: string[] = [];
  let from = head.lastIndex;
  let indent = "";
  while (true) {
    const [line, next] = readLine(source, from, at);
    if (line === "") {
      lines.push("");
    } else {
      if (indent === "") indent = firstIndent(line, at);
      if (!line.startsWith(indent)) break;
      lines.push(line.slice(indent.length));
    }
    from = next;
  }
  const closing = /[ \t]*\|\|\|/y;
  closing.lastIndex = from;
  if (!closing.test(source)) throw syntaxFault(at, "The text block has no closing |||.");
  const text = `${lines.join("\n")}\n`;
  return [opening[1] ? text.slice(0, -1) : text, closing.lastIndex];
}

function readLine(source: string, from: number, at: number): [line: string, next: number] {
  const end = source.indexOf("\n", from);
  if (end >= 0) return [source.slice(from, end), end + 1];
  if (from >= source.length) throw syntaxFault(at, "The text block has no closing |||.");
  return [source.slice(from), source.length];
}

function firstIndent(line: string, at: number): string {
  const indent = /^[ \t]*/.exec(line)?.[0] ?? "";
  if (indent === "") throw syntaxFault(at, "The first line of a text block must be indented.");
  return indent;
}
