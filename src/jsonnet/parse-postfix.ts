/** What follows an expression: fields, indexes, slices, calls, and objects to be added. */
import type { Node } from "./ast.ts";
import { parseArguments } from "./parse-binding.ts";
import { parseObject } from "./parse-collection.ts";
import { unexpected } from "./token.ts";
import type { Parser } from "./token-reader.ts";

/** The expression `start` with everything that is attached to it. */
export function parsePostfix(parser: Parser, start: Node): Node {
  let node = start;
  for (let links = 0; ; links++) {
    parser.checkChain(links);
    const token = parser.peek();
    if (token.kind !== "symbol") return node;
    if (parser.take(".")) {
      const { text, at } = parser.expectName();
      node = { kind: "index", at, target: node, index: { kind: "literal", at, value: text } };
    } else if (parser.take("[")) {
      node = parseIndex(parser, node, token.at);
    } else if (parser.take("(")) {
      node = parseCall(parser, node, token.at);
    } else if (parser.take("{")) {
      const right = parseObject(parser, token.at);
      node = { kind: "binary", at: token.at, operator: "+", left: node, right };
    } else {
      return node;
    }
  }
}

function parseCall(parser: Parser, target: Node, at: number): Node {
  const { args, named } = parseArguments(parser);
  const tailstrict = parser.take("tailstrict", "keyword");
  return { kind: "apply", at, target, args, named, tailstrict };
}

/** `[i]`, or a slice `[from:end:step]` of which every part may be left out. */
function parseIndex(parser: Parser, target: Node, at: number): Node {
  const bounds: [Node | null, Node | null, Node | null] = [null, null, null];
  let place = 0;
  while (!parser.take("]")) {
    const token = parser.peek();
    if (parser.take(":", "operator")) place += 1;
    else if (parser.take("::", "operator")) place += 2;
    else if (place <= 2 && bounds[place] === null) bounds[place] = parser.expression();
    else throw unexpected(token, '"]"');
    if (place > 2) throw unexpected(token, '"]"');
  }
  const [index] = bounds;
  if (place > 0) return { kind: "slice", at, target, bounds };
  if (index === null) throw unexpected(parser.peek(), "an index");
  return { kind: "index", at, target, index };
}
