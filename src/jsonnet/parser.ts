/** From tokens to the syntax tree: expressions by precedence. */
import type { Bind, Node } from "./ast.ts";
import { syntaxFault } from "./errors.ts";
import { parseBind, parseParams } from "./parse-binding.ts";
import { parseArray, parseObject } from "./parse-collection.ts";
import { parsePostfix } from "./parse-postfix.ts";
import { isToken, type Token, unexpected } from "./token.ts";
import { type Parser, readTokens } from "./token-reader.ts";

/** Binary operators from the weakest to the strongest. */
const PRECEDENCE: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<", ">", "<=", ">=", "in"],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
];
const LEVELS = new Map(PRECEDENCE.flatMap((row, level) => row.map((name) => [name, level])));
const UNARY: ReadonlySet<string> = new Set(["+", "-", "!", "~"]);
const IMPORTS: ReadonlySet<string> = new Set(["import", "importstr", "importbin"]);

/** The tree of a whole template. */
export function parse(tokens: readonly Token[]): Node {
  const reader = readTokens(tokens);
  const parser: Parser = { ...reader, expression: () => parseBinary(parser, 0) };
  const node = parser.expression();
  if (parser.peek().kind !== "end") throw unexpected(parser.peek(), "the end of the template");
  return node;
}

function parseBinary(parser: Parser, level: number): Node {
  return parser.nested(() => {
    let left = parseOperand(parser);
    for (let links = 0; ; links++) {
      parser.checkChain(links);
      const token = parser.peek();
      const operator = binaryOperator(token);
      const found = operator === undefined ? undefined : LEVELS.get(operator);
      if (operator === undefined || found === undefined || found < level) return left;
      parser.next();
      left = joinBinary(parser, { at: token.at, operator, left, level: found });
    }
  });
}

interface BinaryHead {
  readonly at: number;
  readonly operator: string;
  readonly left: Node;
  readonly level: number;
}

function joinBinary(parser: Parser, { at, operator, left, level }: BinaryHead): Node {
  if (operator === "in" && isToken(parser.peek(), "keyword", "super")) {
    const after = parser.peek(1);
    if (!isToken(after, "symbol", ".") && !isToken(after, "symbol", "[")) {
      parser.next();
      return { kind: "inSuper", at, index: left };
    }
  }
  const right = parseBinary(parser, level + 1);
  return { kind: "binary", at, operator, left, right };
}

function binaryOperator(token: Token): string | undefined {
  if (isToken(token, "keyword", "in")) return "in";
  // A colon ends an expression: `assert a : b`, `[a:b]`, `[a::b]`.
  if (token.kind !== "operator" || token.text === ":" || token.text === "::") return undefined;
  if (!LEVELS.has(token.text)) {
    throw syntaxFault(token.at, `"${token.text}" is no binary operator.`);
  }
  return token.text;
}

function parseOperand(parser: Parser): Node {
  const token = parser.peek();
  if (token.kind === "operator") return parseUnary(parser);
  const statement = token.kind === "keyword" ? STATEMENTS[token.text] : undefined;
  if (statement) return statement(parser, parser.next().at);
  return parsePostfix(parser, parsePrimary(parser));
}

function parseUnary(parser: Parser): Node {
  const { text, at } = parser.next();
  if (!UNARY.has(text)) throw syntaxFault(at, `"${text}" is no unary operator.`);
  const operand = parser.nested(() => parseOperand(parser));
  return { kind: "unary", at, operator: text, operand };
}

/** What begins with a keyword and reaches as far right as it can. */
const STATEMENTS: Readonly<Record<string, (parser: Parser, at: number) => Node>> = {
  assert(parser, at) {
    const test = parser.expression();
    const message = parser.take(":", "operator") ? parser.expression() : null;
    parser.expect(";");
    return { kind: "assert", at, test, message, rest: parser.expression() };
  },
  error: (parser, at) => ({ kind: "error", at, message: parser.expression() }),
  if(parser, at) {
    const test = parser.expression();
    parser.expect("then", "keyword");
    const then = parser.expression();
    const otherwise = parser.take("else", "keyword") ? parser.expression() : null;
    return { kind: "conditional", at, test, then, otherwise };
  },
  function(parser, at) {
    parser.expect("(");
    const params = parseParams(parser);
    return { kind: "function", at, params, body: parser.expression() };
  },
  local(parser, at) {
    const binds: Bind[] = [];
    do binds.push(parseBind(parser, binds));
    while (parser.take(","));
    parser.expect(";");
    return { kind: "local", at, binds, body: parser.expression() };
  },
};

function parsePrimary(parser: Parser): Node {
  const token = parser.next();
  const { at, text } = token;
  switch (token.kind) {
    case "identifier":
      return { kind: "variable", at, name: text };
    case "number":
      return { kind: "literal", at, value: parseNumber(text, at) };
    case "string":
    case "textBlock":
      return { kind: "literal", at, value: text };
    case "keyword":
      return parseKeyword(parser, token);
    case "symbol":
      return parseSymbol(parser, token);
    default:
      throw unexpected(token, "an expression");
  }
}

function parseNumber(text: string, at: number): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw syntaxFault(at, `The number ${text} is too large.`);
  return value;
}

function parseKeyword(parser: Parser, token: Token): Node {
  const { at, text } = token;
  if (text === "null") return { kind: "literal", at, value: null };
  if (text === "true" || text === "false") return { kind: "literal", at, value: text === "true" };
  if (text === "self") return { kind: "self", at };
  if (text === "super") return parseSuper(parser, at);
  if (IMPORTS.has(text)) throw syntaxFault(at, `Templates cannot use ${text}: they read no files.`);
  throw unexpected(token, "an expression");
}

function parseSuper(parser: Parser, at: number): Node {
  if (parser.take(".")) {
    const name = parser.expectName();
    const index: Node = { kind: "literal", at: name.at, value: name.text };
    return { kind: "superIndex", at, index };
  }
  if (!parser.take("[")) throw unexpected(parser.peek(), '"." or "[" after super');
  const index = parser.expression();
  parser.expect("]");
  return { kind: "superIndex", at, index };
}

function parseSymbol(parser: Parser, token: Token): Node {
  switch (token.text) {
    case "{":
      return parseObject(parser, token.at);
    case "[":
      return parseArray(parser, token.at);
    case "$":
      return { kind: "dollar", at: token.at };
    case "(": {
      const inner = parser.expression();
      parser.expect(")");
      return inner;
    }
    default:
      throw unexpected(token, "an expression");
  }
}
