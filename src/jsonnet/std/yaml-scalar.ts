/** YAML's scalars: quoted, plain, and blocks of lines. */
import { columnOf, isIndicator, skipSpaces, type YamlCursor, yamlFault } from "./yaml-cursor.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "0": "\0", a: "\x07", b: "\b", t: "\t", "\t": "\t", n: "\n", v: "\v", f: "\f", r: "\r" },
  ...{ e: "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", N: "\x85", _: "\xa0" },
  ...{ L: "\u2028", P: "\u2029" },
};
const HEX_LENGTH: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** A string in single or double quotes; line ends within are folded. */
export function readQuoted(cursor: YamlCursor): string {
  const { text } = cursor;
  const quote = text[cursor.at++] as string;
  let value = "";
  while (cursor.at < text.length) {
    const char = text[cursor.at++] as string;
    if (char === quote && quote === "'" && text[cursor.at] === "'") {
      value += "'";
      cursor.at++;
    } else if (char === quote) {
      return value;
    } else if (char === "\\" && quote === '"') {
      value += readEscape(cursor);
    } else if (char === "\n") {
      value = value.replace(/[ \t]+$/, "") + foldLineEnds(cursor);
    } else {
      value += char;
    }
  }
  throw yamlFault(cursor, "the quoted string has no end.");
}

function readEscape(cursor: YamlCursor): string {
  const letter = cursor.text[cursor.at++] ?? "";
  if (letter === "\n") {
    while (" \t".includes(cursor.text[cursor.at] ?? "\n")) cursor.at++;
    return "";
  }
  const length = HEX_LENGTH[letter];
  if (length === undefined) {
    const text = ESCAPES[letter];
    if (text === undefined) throw yamlFault(cursor, `unknown escape sequence \\${letter}.`);
    return text;
  }
  const digits = cursor.text.slice(cursor.at, cursor.at + length);
  const point = Number.parseInt(digits, 16);
  if (!/^[0-9a-fA-F]+$/.test(digits) || digits.length < length || point > 0x10ffff) {
    throw yamlFault(cursor, `\\${letter} wants ${length} hexadecimal digits.`);
  }
  cursor.at += length;
  return String.fromCodePoint(point);
}

/** One line end is a space, further ones stay; the cursor is behind the first. */
function foldLineEnds(cursor: YamlCursor): string {
  let empty = "";
  while (" \t\n".includes(cursor.text[cursor.at] ?? "x")) {
    if (cursor.text[cursor.at] === "\n") empty += "\n";
    cursor.at++;
  }
  return empty || " ";
}

/** A scalar without quotes, up to its end on this line. In flow collections, `,[]{}` end it, too. */
export function readPlainLine(cursor: YamlCursor, inFlow: boolean): string {
  const { text } = cursor;
  const from = cursor.at;
  while (cursor.at < text.length && !endsPlain(cursor, inFlow)) cursor.at++;
  return text.slice(from, cursor.at).trimEnd();
}

function endsPlain(cursor: YamlCursor, inFlow: boolean): boolean {
  const { text, at } = cursor;
  const char = text[at] as string;
  if (char === "\n" || isIndicator(cursor, at, ":")) return true;
  if (char === "#" && " \t".includes(text[at - 1] ?? "")) return true;
  return (
    inFlow && (",[]{}".includes(char) || (char === ":" && ",[]{}".includes(text[at + 1] ?? "")))
  );
}

/** A scalar without quotes with the lines that go on with it: those indented by at least `indent`. */
export function readPlain(cursor: YamlCursor, indent: number): string {
  let value = readPlainLine(cursor, false);
  while (skipSpaces(cursor) && cursor.at < cursor.text.length) {
    const before = cursor.at;
    cursor.at++;
    const gap = foldLineEnds(cursor);
    const isMore = cursor.at < cursor.text.length && columnOf(cursor) >= indent;
    if (!isMore || cursor.text[cursor.at] === "#") {
      cursor.at = before;
      break;
    }
    value += gap + readPlainLine(cursor, false);
    if (isIndicator(cursor, cursor.at, ":")) throw yamlFault(cursor, "a key is not expected here.");
  }
  return value;
}

/** `|` or `>` with the lines below it, which are indented by at least `indent`. */
export function readBlock(cursor: YamlCursor, indent: number): string {
  const header = /[|>]([+-]?)([1-9]?)([+-]?)[ \t]*(?:[ \t]#[^\n]*)?(?:\n|$)/y;
  header.lastIndex = cursor.at;
  const match = header.exec(cursor.text);
  if (!match) throw yamlFault(cursor, "the head of a block of lines cannot be read.");
  const isFolded = match[0].startsWith(">");
  cursor.at = header.lastIndex;
  const given = match[2] ? Math.max(0, indent - 1) + Number(match[2]) : undefined;
  const lines = readBlockLines(cursor, { indent, given });
  const content = lines.join("\n").replace(/\n+$/, "");
  const body = isFolded && content !== "" ? fold(content.split("\n")) : content;
  const chomp = match[1] || match[3];
  if (chomp === "-" || (body === "" && chomp !== "+")) return body;
  return chomp === "+" ? `${body}\n${"\n".repeat(trailing(lines))}` : `${body}\n`;
}

function trailing(lines: readonly string[]): number {
  return lines.length - 1 - lines.findLastIndex((line) => line !== "");
}

function readBlockLines(
  cursor: YamlCursor,
  { indent, given }: { readonly indent: number; readonly given: number | undefined },
): string[] {
  const lines: string[] = [];
  let depth = given;
  while (cursor.at < cursor.text.length) {
    const end = cursor.text.indexOf("\n", cursor.at);
    const line = cursor.text.slice(cursor.at, end < 0 ? undefined : end);
    const spaces = line.length - line.replace(/^ +/, "").length;
    const isEmpty = line.trim() === "";
    if (!isEmpty) {
      depth ??= spaces;
      if (spaces < Math.max(depth, indent)) break;
    }
    lines.push(isEmpty ? line.slice(depth ?? line.length) : line.slice(depth));
    cursor.at = end < 0 ? cursor.text.length : end + 1;
  }
  return lines;
}

/** Line ends become spaces, except around empty lines and lines that are indented further. */
function fold(lines: readonly string[]): string {
  let text = lines[0] || "\n";
  for (let i = 1; i < lines.length; i++) {
    const [before, line] = [lines[i - 1] as string, lines[i] as string];
    const isOpen = (each: string) => each === "" || /^[ \t]/.test(each);
    if (line === "") text += "\n";
    else if (before === "") text += isOpen(line) ? `\n${line}` : line;
    else text += isOpen(line) || isOpen(before) ? `\n${line}` : ` ${line}`;
  }
  return text;
}

/** What a scalar without quotes stands for. */
export function resolvePlain(text: string): unknown {
  if (/^(?:~|null|Null|NULL|)$/.test(text)) return null;
  if (/^(?:true|True|TRUE|yes|Yes|YES|on|On|ON)$/.test(text)) return true;
  if (/^(?:false|False|FALSE|no|No|NO|off|Off|OFF)$/.test(text)) return false;
  // Not JSON, which the caller says.
  if (/^[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)$/.test(text)) return Number.NaN;
  const number = text.replaceAll("_", "");
  if (/^[-+]?(?:0|[1-9][0-9]*)$/.test(number)) return Number(number);
  const radix = /^([-+]?)(0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$/.exec(number);
  if (radix) return Number(radix[2]) * (radix[1] === "-" ? -1 : 1);
  const octal = /^([-+]?)0([0-7]+)$/.exec(number);
  if (octal) return Number(`0o${octal[2]}`) * (octal[1] === "-" ? -1 : 1);
  if (/^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return text;
}
