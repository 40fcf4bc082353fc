/** Filters by fields and values: E19. */
import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { FieldFilter, FieldTerm } from "#gen/tributary/management/v1/filter_pb.js";
import { canonicalDecimal } from "../../core/decimal.ts";
import type { FieldViolation } from "../../core/errors.ts";
import { readPath } from "../../core/json-path.ts";
import { endOfValue, skipSpace } from "../../core/json-skip.ts";
import { createPathSet, type PathSet } from "../path-set.ts";
import type { RecordView } from "../record-view.ts";
import type { CompiledFilter } from "./filter.ts";

type Test = (view: RecordView) => boolean;

const DEPTH_MAX = 8;
const TERMS_MAX = 100;

interface Build {
  readonly violations: FieldViolation[];
  readonly paths: PathSet;
  terms: number;
}

/** Compiles terms that must all hold; gives all faults at once. */
export function compileFieldFilter(filter: FieldFilter): CompiledFilter | FieldViolation[] {
  const build: Build = { violations: [], paths: createPathSet(), terms: 0 };
  const passes = allOf(compileTerms(build, filter.terms, { field: "fields.terms", depth: 1 }));
  if (build.terms > TERMS_MAX) {
    const description = `a filter has at most ${TERMS_MAX} conditions in all`;
    build.violations.push({ field: "fields.terms", description });
  }
  return build.violations.length > 0 ? build.violations : { passes, fields: build.paths };
}

interface Level {
  readonly field: string;
  readonly depth: number;
}

function compileTerms(build: Build, terms: readonly FieldTerm[], { field, depth }: Level): Test[] {
  return terms.map((term, i) => compileTerm(build, term, { field: `${field}[${i}]`, depth }));
}

function compileTerm(build: Build, term: FieldTerm, { field, depth }: Level): Test {
  build.terms += 1;
  const parts = [term.field !== "", term.or.length > 0, term.and.length > 0];
  if (parts.filter(Boolean).length !== 1) {
    return refuse(build, field, "set exactly one of field, or, and");
  }
  if (depth > DEPTH_MAX) return refuse(build, field, `groups nest at most ${DEPTH_MAX} deep`);
  if (term.or.length > 0) {
    const tests = compileTerms(build, term.or, { field: `${field}.or`, depth: depth + 1 });
    return (view) => tests.some((test) => test(view));
  }
  if (term.and.length > 0) {
    return allOf(compileTerms(build, term.and, { field: `${field}.and`, depth: depth + 1 }));
  }
  return compileField(build, term, field);
}

function compileField(build: Build, { field: source, value }: FieldTerm, field: string): Test {
  const path = readPath(source);
  if (typeof path === "string") return refuse(build, `${field}.field`, path);
  if (!value) return refuse(build, `${field}.value`, "is required: a value, or a list of values");
  const json = toJson(ValueSchema, value);
  const wanted = Array.isArray(json) ? json : [json];
  if (wanted.some((one) => typeof one === "object" && one !== null)) {
    return refuse(build, `${field}.value`, "a value is a string, number, bool or null");
  }
  const tokens = new Set(wanted.map((one) => tokenOf(JSON.stringify(one))));
  const slot = build.paths.add(path);
  return (view) => {
    const text = view.fieldAt(slot);
    return text !== undefined && matches(text, tokens);
  };
}

function refuse({ violations }: Build, field: string, description: string): Test {
  violations.push({ field, description });
  return () => false;
}

function allOf(tests: readonly Test[]): Test {
  return (view) => tests.every((test) => test(view));
}

function matches(text: string, tokens: ReadonlySet<string>): boolean {
  if (text.charCodeAt(0) !== 0x5b) return tokens.has(tokenOf(text));
  for (let i = skipSpace(text, 1); i < text.length - 1; ) {
    const end = endOfValue(text, i);
    if (tokens.has(tokenOf(text.slice(i, end)))) return true;
    i = skipSpace(text, skipSpace(text, end) + 1);
  }
  return false;
}

/** Equal for JSON texts of equal scalars, however they are written. */
function tokenOf(text: string): string {
  const first = text.charCodeAt(0);
  if (first === 0x22) return text.includes("\\") ? `"${JSON.parse(text)}"` : text;
  return first === 0x2d || (first >= 0x30 && first <= 0x39) ? canonicalDecimal(text) : text;
}
