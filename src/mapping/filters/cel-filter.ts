/** Filters in the Common Expression Language (github.com/google/cel-spec), compiled once. */
import { CelScalar, celEnv, mapType, parse, plan } from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { FieldViolation } from "../../core/errors.ts";
import { createPathSet } from "../path-set.ts";
import type { RecordView } from "../record-view.ts";
import { CelCostError, checkLoops, meteredFunctions, withCelMeter } from "./cel-meter.ts";
import type { CompiledFilter } from "./filter.ts";

const INT_MAX = 2n ** 63n;
const FUNCTION_NAME = /^[A-Za-z]\w*$/;

const VARIABLES = {
  record: CelScalar.DYN,
  id: CelScalar.STRING,
  ip: CelScalar.STRING,
  headers: mapType(CelScalar.STRING, CelScalar.STRING),
  time: CelScalar.DYN,
};

const ENV = celEnv({ variables: VARIABLES, funcs: meteredFunctions() });

/** Compiles an expression; gives its fault with the place. An error while it runs lets no record pass. */
export function compileCelFilter(source: string): CompiledFilter | FieldViolation[] {
  try {
    const parsed = parse(source);
    const names = namesOf(parsed.expr);
    const fault = findFault(names);
    if (fault) return [{ field: "cel", description: fault }];
    const evaluate = plan(ENV, parsed);
    return {
      fields: createPathSet(),
      passes: (view) => passes(view, names.loopParts, () => evaluate(bindingsOf(view))),
    };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [{ field: "cel", description: text.replace(/^<input>:/, "at ") }];
  }
}

/** What takes too many steps lets no record pass, like every error. */
function passes(view: RecordView, loopParts: number, evaluate: () => unknown): boolean {
  try {
    if (loopParts > 0) checkLoops(view.text.length / 2, loopParts);
    return withCelMeter(evaluate) === true;
  } catch (error) {
    if (error instanceof CelCostError) return false;
    throw error;
  }
}

function bindingsOf({ text, record }: RecordView) {
  return {
    record: celValue(JSON.parse(text, keepInteger)) as never,
    id: record.recordId,
    ip: record.call.address,
    headers: new Map(record.call.headers.map(({ name, value }) => [name, value])),
    time: timestampFromMs(record.arrivalTimeUs / 1000) as never,
  };
}

/** Whole numbers of 64 bits as they were written; others as doubles. */
function keepInteger(_key: string, value: unknown, context?: { readonly source?: string }) {
  if (typeof value !== "number" || !Number.isInteger(value)) return value;
  if (Number.isSafeInteger(value)) return BigInt(value);
  const exact = /^-?\d+$/.test(context?.source ?? "") ? BigInt(context!.source!) : BigInt(value);
  return exact >= -INT_MAX && exact < INT_MAX ? exact : value;
}

/** Objects as maps, at every level. */
function celValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== "object" || value === null) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, celValue(inner)]));
}

interface Names {
  readonly known: Set<string>;
  readonly used: Set<string>;
  readonly called: Set<string>;
  loops: number;
  /** Parts of expressions within loops. */
  loopParts: number;
}

function namesOf(expr: object): Names {
  const names: Names = {
    known: new Set([...Object.keys(VARIABLES), ...TYPE_NAMES]),
    used: new Set(),
    called: new Set(),
    loops: 0,
    loopParts: 0,
  };
  visit(expr, names, 0);
  return names;
}

/** What would fail for every record: unknown names, and loops within loops. */
function findFault(names: Names): string | undefined {
  for (const name of names.used) {
    if (names.known.has(name)) continue;
    return `${name} is not known; there are ${Object.keys(VARIABLES).join(", ")}`;
  }
  for (const name of names.called) {
    if (FUNCTION_NAME.test(name) && !ENV.funcs.find(name)) return `no function is named ${name}`;
  }
  // Two loops within each other take the square of the items of a record.
  return names.loops > 1 ? "a macro such as exists() may not stand within another" : undefined;
}

const TYPE_NAMES = [
  ...["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"],
];

/** Walks cel.expr.Expr: every node is an object with `exprKind`. */
function visit(node: unknown, names: Names, depth: number): void {
  if (typeof node !== "object" || node === null) return;
  const { case: kind, value } = node as { case?: unknown; value?: Record<string, unknown> };
  let inner = depth;
  if (depth > 0 && typeof kind === "string") names.loopParts += 1;
  if (kind === "identExpr") names.used.add(String(value?.name));
  else if (kind === "callExpr") names.called.add(String(value?.function));
  else if (kind === "comprehensionExpr") {
    inner += 1;
    names.loops = Math.max(names.loops, inner);
    for (const name of ["iterVar", "iterVar2", "accuVar"]) names.known.add(String(value?.[name]));
  }
  for (const child of Object.values(node)) visit(child, names, inner);
}
