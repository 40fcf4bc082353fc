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
  /** The same keys in a list: a few are compared in place faster than one is cut out and looked up. */
  readonly list: (readonly [key: string, node: PathNode])[];
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
      const isPlain = !text.includes("\\");
      if (size > 0) walk({ text, isPlain, found, left: size }, skipSpace(text, 0), root);
      return found;
    },
  };
}

function createNode(): PathNode {
  return { slot: undefined, keys: new Map(), list: [], items: new Map() };
}

function childOf(node: PathNode, step: string | number): PathNode {
  const children: Map<string | number, PathNode> =
    typeof step === "string" ? node.keys : node.items;
  const known = children.get(step);
  if (known) return known;
  const made = createNode();
  children.set(step, made);
  if (typeof step === "string") node.list.push([step, made]);
  return made;
}

interface Search {
  readonly text: string;
  /** Whether no key holds an escape. */
  readonly isPlain: boolean;
  readonly found: (string | undefined)[];
  /** Paths not found yet; keys are unique, so the walk ends with the last of them. */
  left: number;
}

/**
 * Passes the value at `start`, noting what the paths below `node` name; gives the index behind it, or
 * any once nothing is left to be found.
 */
function walk(search: Search, start: number, node: PathNode): number {
  const { text } = search;
  const first = text.charCodeAt(start);
  let end: number;
  if (first === OPEN_BRACE && node.list.length > 0) end = walkObject(search, start, node);
  else if (first === OPEN_BRACKET && node.items.size > 0) end = walkArray(search, start, node);
  else end = endOfValue(text, start);
  if (node.slot !== undefined && search.found[node.slot] === undefined) {
    search.found[node.slot] = text.slice(start, end);
    search.left -= 1;
  }
  return end;
}

function walkObject(search: Search, start: number, node: PathNode): number {
  const { text } = search;
  let i = skipSpace(text, start + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const nameEnd = endOfString(text, i);
    const child = childNamed(search, { from: i + 1, to: nameEnd - 1 }, node);
    i = skipSpace(text, skipSpace(text, nameEnd) + 1);
    i = skipSpace(text, child ? walk(search, i, child) : endOfValue(text, i));
    if (search.left === 0) return i;
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return i + 1;
}

/** Keys up to which they are compared one by one. */
const LISTED_MAX = 8;

function childNamed(
  { text, isPlain }: Search,
  { from, to }: { readonly from: number; readonly to: number },
  { keys, list }: PathNode,
): PathNode | undefined {
  if (isPlain && list.length <= LISTED_MAX) {
    for (const [key, child] of list) {
      if (key.length === to - from && text.startsWith(key, from)) return child;
    }
    return undefined;
  }
  const raw = text.slice(from, to);
  return keys.get(raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw);
}

function walkArray(search: Search, start: number, node: PathNode): number {
  const { text } = search;
  let i = skipSpace(text, start + 1);
  for (let index = 0; text.charCodeAt(i) !== CLOSE_BRACKET; index++) {
    const child = node.items.get(index);
    i = skipSpace(text, child ? walk(search, i, child) : endOfValue(text, i));
    if (search.left === 0) return i;
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return i + 1;
}
