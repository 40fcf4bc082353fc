/**
 * Many paths looked up in one pass over a JSON text. Values are found as the text they were written as,
 * so no number loses a digit, and what no path names is stepped over and never decoded.
 */
import type { JsonPath } from "../core/json-path.ts";
import { endOfString, endOfValue, skipSpace } from "../core/json-skip.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

interface PathNode {
  /** Slot of the path that ends here. */
  slot: number | undefined;
  readonly keys: Map<string, PathNode>;
  readonly items: Map<number, PathNode>;
}

/** A set of paths; each has a slot. */
export interface PathSet {
  /** Slot of a path; the same path has one slot. */
  add(path: JsonPath): number;
  readonly size: number;
  /** JSON text of the value at each path, by slot; undefined where there is none. */
  find(text: string): (string | undefined)[];
}

/** An empty set. */
export function createPathSet(): PathSet {
  const root = createNode();
  let size = 0;
  return {
    get size() {
      return size;
    },
    add(path) {
      let node = root;
      for (const step of path) node = childOf(node, step);
      node.slot ??= size++;
      return node.slot;
    },
    find(text) {
      const found: (string | undefined)[] = new Array(size).fill(undefined);
      if (size > 0) walk(text, skipSpace(text, 0), root, found);
      return found;
    },
  };
}

function createNode(): PathNode {
  return { slot: undefined, keys: new Map(), items: new Map() };
}

function childOf(node: PathNode, step: string | number): PathNode {
  const children: Map<string | number, PathNode> =
    typeof step === "string" ? node.keys : node.items;
  const known = children.get(step);
  if (known) return known;
  const made = createNode();
  children.set(step, made);
  return made;
}

/** Passes the value at `start`, noting what the paths below `node` name; gives the index behind it. */
function walk(text: string, start: number, node: PathNode, found: (string | undefined)[]): number {
  const first = text.charCodeAt(start);
  let end: number;
  if (first === OPEN_BRACE && node.keys.size > 0) end = walkObject(text, start, node, found);
  else if (first === OPEN_BRACKET && node.items.size > 0) end = walkArray(text, start, node, found);
  else end = endOfValue(text, start);
  if (node.slot !== undefined) found[node.slot] = text.slice(start, end);
  return end;
}

function walkObject(
  text: string,
  start: number,
  node: PathNode,
  found: (string | undefined)[],
): number {
  let i = skipSpace(text, start + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const nameEnd = endOfString(text, i);
    const raw = text.slice(i + 1, nameEnd - 1);
    const child = node.keys.get(raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw);
    i = skipSpace(text, skipSpace(text, nameEnd) + 1);
    i = skipSpace(text, child ? walk(text, i, child, found) : endOfValue(text, i));
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return i + 1;
}

function walkArray(
  text: string,
  start: number,
  node: PathNode,
  found: (string | undefined)[],
): number {
  let i = skipSpace(text, start + 1);
  for (let index = 0; text.charCodeAt(i) !== CLOSE_BRACKET; index++) {
    const child = node.items.get(index);
    i = skipSpace(text, child ? walk(text, i, child, found) : endOfValue(text, i));
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return i + 1;
}
