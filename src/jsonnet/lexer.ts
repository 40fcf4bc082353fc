/** From source text to tokens. */
import { syntaxFault } from "./errors.ts";
import { lexNumber } from "./lex-number.ts";
import { lexQuoted, lexTextBlock, lexVerbatim } from "./lex-string.ts";
import { KEYWORDS, type Token, type TokenKind } from "./token.ts";

const SPACE = /[ \t\r\n]+/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const LINE_COMMENT = /(?:#|\/\/)[^\n]*/y;
const OPERATOR_CHARACTERS = "!$:~+-&|^=<>*/%";
/** No operator is this long; the bound keeps long rows of characters from being read again and again. */
const OPERATOR_MAX = 5;
const SYMBOLS = "{}[](),.;";

/** All tokens of a source, with one of kind `end` behind them. */
export function lex(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const push = (kind: TokenKind, text: string, end: number) => {
    tokens.push({ kind, text, at });
    at = end;
  };
  while (true) {
    at = skipBlanks(source, at);
    const char = source[at];
    if (char === undefined) break;
    if (SYMBOLS.includes(char)) push("symbol", char, at + 1);
    else if (char >= "0" && char <= "9") push("number", ...lexNumber(source, at));
    else if (char === '"' || char === "'") push("string", ...lexQuoted(source, at));
    else if (char === "@") push("string", ...lexVerbatim(source, at));
    else if (source.startsWith("|||", at)) push("textBlock", ...lexTextBlock(source, at));
    else pushWord(source, at, push);
  }
  push("end", "", at);
  return tokens;
}

function pushWord(
  source: string,
  at: number,
  push: (kind: TokenKind, text: string, end: number) => void,
): void {
  const end = operatorEnd(source, at);
  if (end > at) {
    const operator = source.slice(at, end);
    push(operator === "$" ? "symbol" : "operator", operator, end);
    return;
  }
  const name = match(NAME, source, at);
  if (!name) {
    const char = String.fromCodePoint(source.codePointAt(at) ?? 0);
    throw syntaxFault(at, `Could not read the character ${JSON.stringify(char)}.`);
  }
  push(KEYWORDS.has(name) ? "keyword" : "identifier", name, at + name.length);
}

function operatorEnd(source: string, at: number): number {
  let end = at;
  while (end < at + OPERATOR_MAX && isOperatorCharacter(source, end)) end++;
  // `x=-1` are three tokens: no operator but a single character ends in one of these.
  while (end > at + 1 && "+-~!$".includes(source[end - 1] as string)) end--;
  return end;
}

/** Comments and text blocks may follow an operator at once. */
function isOperatorCharacter(source: string, at: number): boolean {
  const char = source[at];
  if (char === undefined || !OPERATOR_CHARACTERS.includes(char)) return false;
  if (char === "/") return source[at + 1] !== "/" && source[at + 1] !== "*";
  return char !== "|" || !source.startsWith("|||", at);
}

function skipBlanks(source: string, from: number): number {
  let at = from;
  while (true) {
    const blank = match(SPACE, source, at) || match(LINE_COMMENT, source, at);
    if (blank) {
      at += blank.length;
    } else if (source.startsWith("/*", at)) {
      const end = source.indexOf("*/", at + 2);
      if (end < 0) throw syntaxFault(at, "The comment has no closing */.");
      at = end + 2;
    } else {
      return at;
    }
  }
}

function match(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? "";
}
