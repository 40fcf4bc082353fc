/**
 * Path templates of google.api.http, such as `/v1/{sink.name=projects/*\/streams/*\/sinks/*}:pause`.
 * Supported: literals, `*`, variables of literals and `*`, and a verb.
 */
import { fail } from "../../core/errors.ts";

interface Variable {
  /** Path of the request field, such as `sink.name`. */
  readonly field: string;
  /** The segments it takes: first and one past the last. */
  readonly start: number;
  readonly end: number;
}

/** A parsed template. */
export interface PathTemplate {
  readonly text: string;
  /** Literal segments, or `*` for any one segment. */
  readonly segments: readonly string[];
  readonly variables: readonly Variable[];
  /** What follows `:`; undefined for none. */
  readonly verb: string | undefined;
}

const TEMPLATE =
  /^((?:\/(?:[A-Za-z0-9._-]+|\*|\{[a-z0-9_.]+(?:=[A-Za-z0-9._*/-]+)?\}))+)(?::([A-Za-z]+))?$/;
const PART = /\/(?:\{([a-z0-9_.]+)(?:=([^}]+))?\}|([^/{}]+))/g;

/** Parses a template. Throws an Error for one that is not supported: a fault of the proto. */
export function parsePathTemplate(text: string): PathTemplate {
  const [, path, verb] = TEMPLATE.exec(text) ?? [];
  if (path === undefined) throw new Error(`path template ${text} is not supported`);
  const segments: string[] = [];
  const variables: Variable[] = [];
  for (const [, field, pattern, literal] of path.matchAll(PART)) {
    const start = segments.length;
    segments.push(...(literal ?? pattern ?? "*").split("/"));
    if (field !== undefined) variables.push({ field, start, end: segments.length });
  }
  return { text, segments, variables, verb };
}

/** Values of the variables, by field path; undefined when the path does not match. */
export function matchPath(
  template: PathTemplate,
  path: string,
): ReadonlyMap<string, string> | undefined {
  const parts = path.slice(1).split("/");
  if (parts.length !== template.segments.length) return undefined;
  const last = parts.length - 1;
  const [end = "", verb, ...more] = parts[last]?.split(":") ?? [];
  if (verb !== template.verb || more.length > 0) return undefined;
  parts[last] = end;
  for (const [i, segment] of template.segments.entries()) {
    if (segment === "*" ? parts[i] === "" : parts[i] !== segment) return undefined;
  }
  return new Map(
    template.variables.map(({ field, start, end: stop }) => [
      field,
      parts.slice(start, stop).map(decodeSegment).join("/"),
    ]),
  );
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw fail("INVALID_FIELDS", "the path holds a broken percent escape");
  }
}
