/** Names with what they stand for: parameters, arguments, and variables of `local`. */
import type { Bind, Node, ParamNode } from "./ast.ts";
import { syntaxFault } from "./errors.ts";
import { isToken, unexpected } from "./token.ts";
import type { Parser } from "./token-reader.ts";

/** Reads up to and with the closing bracket, calling `item` for each element between commas. */
export function parseList(parser: Parser, close: string, item: () => void): void {
  while (!parser.take(close)) {
    item();
    if (!parser.take(",") && !isToken(parser.peek(), "symbol", close)) {
      throw unexpected(parser.peek(), `"," or "${close}"`);
    }
  }
}

/** Parameters, behind the opening parenthesis. */
export function parseParams(parser: Parser): ParamNode[] {
  const params: ParamNode[] = [];
  parseList(parser, ")", () => {
    const { text: name, at } = parser.expectName();
    if (params.some((param) => param.name === name)) {
      throw syntaxFault(at, `The parameter "${name}" is named twice.`);
    }
    const fallback = parser.take("=", "operator") ? parser.expression() : null;
    params.push({ at, name, fallback });
  });
  return params;
}

/** Arguments, behind the opening parenthesis: first by position, then by name. */
export function parseArguments(parser: Parser): { args: Node[]; named: Bind[] } {
  const args: Node[] = [];
  const named: Bind[] = [];
  parseList(parser, ")", () => {
    const { text: name, at, kind } = parser.peek();
    if (kind === "identifier" && isToken(parser.peek(1), "operator", "=")) {
      parser.next();
      parser.next();
      if (named.some((each) => each.name === name)) {
        throw syntaxFault(at, `The argument "${name}" is given twice.`);
      }
      named.push({ at, name, body: parser.expression() });
    } else {
      if (named.length > 0) {
        throw syntaxFault(at, "Arguments by position come before arguments by name.");
      }
      args.push(parser.expression());
    }
  });
  return { args, named };
}

/** `name = value` or `name(params) = value`; names in `taken` are refused. */
export function parseBind(parser: Parser, taken: readonly Bind[]): Bind {
  const { text: name, at } = parser.expectName();
  if (taken.some((bind) => bind.name === name)) {
    throw syntaxFault(at, `The variable "${name}" is bound twice.`);
  }
  const params: readonly ParamNode[] | null = parser.take("(") ? parseParams(parser) : null;
  parser.expect("=", "operator");
  const body = parser.expression();
  return { at, name, body: params ? { kind: "function", at, params, body } : body };
}
