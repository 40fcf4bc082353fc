/**
 * Paths into a JSON value: keys joined by `.`, `[n]` for the items of an array, and `["a.b"]` for a
 * key that holds dots or brackets, such as `site.tags[0]["unit.name"]`.
 */

/** Steps of a path: a key of an object, or the index of an array's item. */
export type JsonPath = readonly (string | number)[];

/** What a path parser found: the steps and where it stopped, or what is wrong. */
export type ParsedPath =
  | { readonly path: JsonPath; readonly end: number }
  | { readonly fault: string; readonly at: number };

/** A plain key: anything up to a dot, bracket, space or `=`. */
const KEY = /[^.[\]\s="]+/y;
const INDEX = /\[(\d{1,9})\]/y;
const QUOTED = /\[("(?:[^"\\]|\\.)*")\]/y;

/** Reads a path that begins at `start` of a text; stops before white space and `=`. */
export function parseJsonPath(text: string, start = 0): ParsedPath {
  const path: (string | number)[] = [];
  let at = start;
  for (;;) {
    const quoted = matchAt(QUOTED, text, at);
    const index = quoted ? undefined : matchAt(INDEX, text, at);
    if (quoted) {
      const key = parseQuoted(quoted[1] ?? "");
      if (key === undefined) return { fault: "a quoted key is not a JSON string", at };
      path.push(key);
      at += quoted[0].length;
    } else if (index) {
      path.push(Number(index[1]));
      at += index[0].length;
    } else {
      const hasDot = path.length > 0 && text[at] === ".";
      if (path.length > 0 && !hasDot) return { path, end: at };
      const key = matchAt(KEY, text, hasDot ? at + 1 : at);
      if (!key) return { fault: "a key is missing", at };
      path.push(key[0]);
      at = (hasDot ? at + 1 : at) + key[0].length;
    }
  }
}

const parsedPaths = new Map<string, JsonPath>();
const PARSED_MAX = 10_000;

/** A path that was checked when it was saved, parsed once; undefined for the empty text. */
export function parsedPath(text: string): JsonPath | undefined {
  if (text === "") return undefined;
  const known = parsedPaths.get(text);
  if (known) return known;
  const parsed = parseJsonPath(text);
  if (!("path" in parsed)) throw new Error(`no path: ${text}`);
  if (parsedPaths.size >= PARSED_MAX) parsedPaths.clear();
  parsedPaths.set(text, parsed.path);
  return parsed.path;
}

/** The path that a whole text is, or what is wrong with it, with the place. */
export function readPath(text: string): JsonPath | string {
  const parsed = parseJsonPath(text);
  if ("fault" in parsed) return `${parsed.fault} at character ${parsed.at + 1}`;
  return parsed.end < text.length ? `is no path at character ${parsed.end + 1}` : parsed.path;
}

/** The value at a path; undefined when there is none. A key never finds what an object inherits. */
export function valueAt(value: unknown, path: JsonPath): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null) return undefined;
    if (Array.isArray(current) !== (typeof step === "number")) return undefined;
    if (!Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function parseQuoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}
