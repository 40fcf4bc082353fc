/** A position within tokens, and what parsers ask of it. */

import type { Node } from "./ast.ts";
import { type Fault, limitFault } from "./errors.ts";
import { isToken, type Token, type TokenKind, unexpected } from "./token.ts";

/** Reads tokens in order. */
export interface TokenReader {
  /** The token `ahead` places on, 0 for the next. */
  peek(ahead?: number): Token;
  next(): Token;
  /** Takes the next token if it is this symbol, keyword or operator. */
  take(text: string, kind?: TokenKind): boolean;
  /** Takes the next token, which has to be this one. */
  expect(text: string, kind?: TokenKind): Token;
  expectName(): Token;
  /** Counts one level of recursion around `work`, and refuses the level that is too deep. */
  nested<Result>(work: () => Result): Result;
  /** Refuses a chain such as `a + b + …` or `a.b.c…` with too many links: it nests to the left. */
  checkChain(links: number): void;
}

/** A reader together with the way into expressions, for the files that parse their parts. */
export interface Parser extends TokenReader {
  expression(): Node;
}

/**
 * Expressions within each other, with or without brackets: what the stack of a thread holds many times
 * over. No template that people write comes near.
 */
const DEPTH_MAX = 500;

/** A reader at the first token. */
export function readTokens(tokens: readonly Token[]): TokenReader {
  let at = 0;
  let depth = 0;
  const peek = (ahead = 0) => tokens[Math.min(at + ahead, tokens.length - 1)] as Token;
  const next = () => {
    const token = peek();
    at++;
    return token;
  };
  const take = (text: string, kind: TokenKind = "symbol") => {
    if (!isToken(peek(), kind, text)) return false;
    at++;
    return true;
  };
  return {
    peek,
    next,
    take,
    expect(text, kind = "symbol") {
      if (!isToken(peek(), kind, text)) throw unexpected(peek(), `"${text}"`);
      return next();
    },
    expectName() {
      if (peek().kind !== "identifier") throw unexpected(peek(), "a name");
      return next();
    },
    checkChain(links) {
      if (links > DEPTH_MAX) throw tooDeep(peek().at);
    },
    nested(work) {
      if (++depth > DEPTH_MAX) throw tooDeep(peek().at);
      const result = work();
      depth--;
      return result;
    },
  };
}

function tooDeep(at: number): Fault {
  return limitFault("nesting", `Expressions are nested more than ${DEPTH_MAX} deep.`, at);
}
