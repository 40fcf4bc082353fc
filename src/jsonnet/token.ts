/** Tokens, and faults that name them. */
import { type Fault, syntaxFault } from "./errors.ts";

/** What the lexer finds; keywords and symbols are their own kind. */
export type TokenKind =
  | "identifier"
  | "keyword"
  | "number"
  | "string"
  /** A text block: a string that no import may name. */
  | "textBlock"
  | "operator"
  /** One of `{}[](),.;$`. */
  | "symbol"
  | "end";

/** One token. `text` is the name, the operator, the digits, or the value of a string. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset of the first character. */
  readonly at: number;
}

/** Words that are no names. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  "assert",
  "else",
  "error",
  "false",
  "for",
  "function",
  "if",
  "import",
  "importstr",
  "importbin",
  "in",
  "local",
  "null",
  "self",
  "super",
  "tailstrict",
  "then",
  "true",
]);

/** Whether the token is this keyword, symbol or operator. */
export function isToken(token: Token, kind: TokenKind, text: string): boolean {
  return token.kind === kind && token.text === text;
}

/** The fault of a token that does not fit. */
export function unexpected(token: Token, wanted: string): Fault {
  return syntaxFault(token.at, `Expected ${wanted} but got ${describe(token)}.`);
}

function describe(token: Token): string {
  if (token.kind === "end") return "the end of the template";
  if (token.kind === "string" || token.kind === "textBlock") return "a string";
  return `${token.kind === "identifier" ? "the name " : ""}"${token.text}"`;
}
