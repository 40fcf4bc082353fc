/** Where two JSON values differ. */
import { isDeepStrictEqual } from "node:util";

/** A path at which they differ; a value is undefined where there is none. */
export interface JsonDifference {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The differences by path: objects are compared member by member, everything else whole. */
export function jsonDifferences(before: unknown, after: unknown, path = ""): JsonDifference[] {
  if (!isObject(before) || !isObject(after)) {
    return isDeepStrictEqual(before, after) ? [] : [{ path, before, after }];
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) =>
    jsonDifferences(before[name], after[name], path === "" ? name : `${path}.${name}`),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
