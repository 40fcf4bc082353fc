/** Compiling and evaluating templates. */
import { callFunction } from "./call.ts";
import { compileRoot } from "./compile.ts";
import { Fault, isStackOverflow, JsonnetError } from "./errors.ts";
import { type HostFunctions, wrapHostFunctions } from "./host-function.ts";
import { lex } from "./lexer.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { manifestOutput, OUTPUT_STYLE } from "./manifest.ts";
import { depthFault, withMeter } from "./meter.ts";
import { checkLength, checkNesting } from "./nesting.ts";
import { parse } from "./parser.ts";
import { type Json, toPlain } from "./plain.ts";
import { createStd, createStdObject } from "./std/index.ts";
import { Closure, type Value } from "./value.ts";

/** What a template is compiled with. */
export interface TemplateOptions<Context> {
  /** Functions of the host by their names in the template. */
  readonly functions?: HostFunctions<Context>;
  /** Budgets that differ from the defaults. */
  readonly limits?: Partial<Limits>;
}

/** A compiled template; it holds no state, so it can be evaluated again and again. */
export interface Template<Context> {
  /** The value as JSON in memory. `context` goes to the host's functions. */
  evaluate(context: Context, limits?: Partial<Limits>): Json;
  /** The value as JSON text, laid out as the command `jsonnet` does, without the last newline. */
  evaluateText(context: Context, limits?: Partial<Limits>): string;
}

/**
 * Compiles Jsonnet. Throws a JsonnetError with line and column when the source is no Jsonnet, names
 * what does not exist, imports, or passes a bound; so do the functions of the template while it runs.
 */
export function compileTemplate<Context = undefined>(
  source: string,
  options: TemplateOptions<Context> = {},
): Template<Context> {
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const guard: Guard = (context, more, work) => {
    const bounds = more ? { ...limits, ...more } : limits;
    try {
      return withMeter(bounds, context, work);
    } catch (error) {
      throw toJsonnetError(error, source, bounds);
    }
  };
  const run = guard(undefined, undefined, () => compileSource(source, options, limits));
  return {
    evaluate: (context, more) => guard(context, more, () => toPlain(finish(run()))),
    evaluateText: (context, more) =>
      guard(context, more, () => manifestOutput(finish(run()), OUTPUT_STYLE)),
  };
}

type Guard = <Result>(
  context: unknown,
  more: Partial<Limits> | undefined,
  work: () => Result,
) => Result;

function compileSource<Context>(
  source: string,
  { functions = {} }: TemplateOptions<Context>,
  limits: Limits,
): () => Value {
  checkLength(source, limits);
  const tokens = lex(source);
  checkNesting(tokens, limits);
  const { natives, preparers } = wrapHostFunctions(functions);
  const std = createStd(natives);
  const globals = new Map<string, Value>([...natives, ["std", createStdObject(std)]]);
  return compileRoot(parse(tokens), { globals, preparers, std });
}

/** A template that is a function is called without arguments: all of its parameters have defaults. */
function finish(value: Value): Value {
  return value instanceof Closure ? callFunction(value, []) : value;
}

function toJsonnetError(error: unknown, source: string, limits: Limits): unknown {
  if (error instanceof Fault) return new JsonnetError(error, source);
  // The budget of depth lies below this; it is met only on a stack that was deep before.
  return isStackOverflow(error) ? new JsonnetError(depthFault(limits), source) : error;
}
