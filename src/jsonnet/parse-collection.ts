/** Arrays, objects and comprehensions. */
import type { Bind, FieldNode, Node, ObjectAssert, ObjectNode, Spec } from "./ast.ts";
import { syntaxFault } from "./errors.ts";
import { parseBind, parseList, parseParams } from "./parse-binding.ts";
import { isToken, type Token, unexpected } from "./token.ts";
import type { Parser } from "./token-reader.ts";

const VISIBILITY = { ":": "inherit", "::": "hidden", ":::": "visible" } as const;

/** An array or an array comprehension, behind its opening bracket. */
export function parseArray(parser: Parser, at: number): Node {
  if (parser.take("]")) return { kind: "array", at, items: [] };
  const first = parser.expression();
  const comma = parser.take(",");
  if (isToken(parser.peek(), "keyword", "for")) {
    return { kind: "arrayComprehension", at, body: first, specs: parseSpecs(parser, "]") };
  }
  const items = [first];
  if (!comma && !isToken(parser.peek(), "symbol", "]")) {
    throw unexpected(parser.peek(), '"," or "]"');
  }
  parseList(parser, "]", () => items.push(parser.expression()));
  return { kind: "array", at, items };
}

/** An object or an object comprehension, behind its opening brace. */
export function parseObject(parser: Parser, at: number): Node {
  const locals: Bind[] = [];
  const asserts: ObjectAssert[] = [];
  const fields: FieldNode[] = [];
  const names = new Set<string>();
  while (!parser.take("}")) {
    const token = parser.peek();
    if (isToken(token, "keyword", "for") && fields.length > 0) {
      return toComprehension(parser, { kind: "object", at, locals, asserts, fields });
    }
    if (parser.take("local", "keyword")) locals.push(parseBind(parser, locals));
    else if (parser.take("assert", "keyword")) asserts.push(parseAssert(parser, token.at));
    else fields.push(parseField(parser, names));
    if (!parser.take(",") && !endsMembers(parser.peek())) {
      throw unexpected(parser.peek(), '"," or "}"');
    }
  }
  return { kind: "object", at, locals, asserts, fields };
}

function endsMembers(token: Token): boolean {
  return isToken(token, "symbol", "}") || isToken(token, "keyword", "for");
}

function parseAssert(parser: Parser, at: number): ObjectAssert {
  const test = parser.expression();
  const message = parser.take(":", "operator") ? parser.expression() : null;
  return { at, test, message };
}

function parseField(parser: Parser, names: Set<string>): FieldNode {
  const token = parser.next();
  const { at } = token;
  const name = parseFieldName(parser, token);
  const params = parser.take("(") ? parseParams(parser) : null;
  const { plus, visibility } = parseColons(parser.next());
  if (plus && params) throw syntaxFault(at, "A method cannot be added with +: to another.");
  const computed = name.kind !== "literal" || isToken(token, "symbol", "[");
  if (!computed) {
    const text = String((name as { value: unknown }).value);
    if (names.has(text)) throw syntaxFault(at, `The field ${JSON.stringify(text)} is there twice.`);
    names.add(text);
  }
  const value = parser.expression();
  const body: Node = params ? { kind: "function", at, params, body: value } : value;
  return { at, name, computed, visibility, plus, body };
}

function parseFieldName(parser: Parser, token: Token): Node {
  const { kind, text, at } = token;
  if (kind === "identifier" || kind === "string" || kind === "textBlock") {
    return { kind: "literal", at, value: text };
  }
  if (!isToken(token, "symbol", "[")) throw unexpected(token, "a field");
  const name = parser.expression();
  parser.expect("]");
  return name;
}

function parseColons(token: Token): Pick<FieldNode, "plus" | "visibility"> {
  const plus = token.text.startsWith("+");
  const colons = plus ? token.text.slice(1) : token.text;
  if (token.kind !== "operator" || !Object.hasOwn(VISIBILITY, colons)) {
    throw unexpected(token, "one of :, ::, :::, +:, +::, +:::");
  }
  return { plus, visibility: VISIBILITY[colons as keyof typeof VISIBILITY] };
}

function toComprehension(parser: Parser, object: ObjectNode): Node {
  const { at, locals, asserts, fields } = object;
  const [field] = fields;
  const forToken = parser.peek();
  if (asserts.length > 0) {
    throw syntaxFault(forToken.at, "An object comprehension cannot have assertions.");
  }
  if (!field || fields.length > 1) {
    throw syntaxFault(forToken.at, "An object comprehension has exactly one field.");
  }
  if (!field.computed || field.visibility !== "inherit") {
    throw syntaxFault(field.at, "The field of an object comprehension is written [name]: value.");
  }
  return { kind: "objectComprehension", at, locals, field, specs: parseSpecs(parser, "}") };
}

function parseSpecs(parser: Parser, close: string): Spec[] {
  const specs: Spec[] = [];
  while (!parser.take(close)) {
    const { at } = parser.peek();
    if (specs.length > 0 && parser.take("if", "keyword")) {
      specs.push({ kind: "if", at, test: parser.expression() });
    } else if (parser.take("for", "keyword")) {
      const { text: name } = parser.expectName();
      parser.expect("in", "keyword");
      specs.push({ kind: "for", at, name, source: parser.expression() });
    } else {
      throw unexpected(parser.peek(), `"for", "if" or "${close}"`);
    }
  }
  return specs;
}
