/** Functions of mappings in Jsonnet templates: K07 to K12. Threads of the pool load this module. */
import { parseJsonPath, valueAt } from "../../core/json-path.ts";
import type { HostFunctions } from "../../jsonnet/index.ts";
import { headerObject, headerText, headerValue } from "../headers.ts";
import type { CallFacts } from "../record-view.ts";
import { compileTimeFormat, type TimeFormat } from "../strftime.ts";

/** What a template sees of a record. */
export interface TemplateInput {
  /** The body as it was sent. */
  readonly text: string;
  /** The body as JSON text; undefined when it is none. */
  readonly json: string | undefined;
  readonly call: CallFacts;
  /** Arrival, milliseconds since 1970. */
  readonly timeMs: number;
}

/** Inputs on their way to another thread: few objects, and what records share only once. */
export interface PackedInputs {
  readonly texts: readonly string[];
  /** Undefined where the body is the text itself. */
  readonly jsons: readonly (string | undefined)[] | undefined;
  readonly times: readonly number[];
  readonly calls: readonly CallFacts[];
  /** Index of each record's call. */
  readonly callOf: readonly number[];
}

/** Packs the inputs of a batch. */
export function packInputs(inputs: readonly TemplateInput[]): PackedInputs {
  const indexes = new Map<CallFacts, number>();
  const calls: CallFacts[] = [];
  const callOf = inputs.map(({ call }) => {
    const known = indexes.get(call);
    if (known !== undefined) return known;
    const { address, headers } = call;
    indexes.set(call, calls.length);
    return calls.push({ address, headers: headers.map(plainHeader) }) - 1;
  });
  const isSame = inputs.every(({ text, json }) => text === json);
  return {
    texts: inputs.map(({ text }) => text),
    jsons: isSame ? undefined : inputs.map(({ json }) => json),
    times: inputs.map(({ timeMs }) => timeMs),
    calls,
    callOf,
  };
}

function plainHeader({ name, value }: { readonly name: string; readonly value: string }) {
  return { name, value };
}

/** One record while its templates run: the body is parsed at most once. */
export class TemplateContext {
  readonly input: TemplateInput;
  #body: unknown;
  #isParsed = false;

  constructor(input: TemplateInput) {
    this.input = input;
  }

  get body(): unknown {
    if (!this.#isParsed) {
      const { json } = this.input;
      if (json === undefined) throw new Error("the body is neither JSON nor a form");
      this.#body = JSON.parse(json);
      this.#isParsed = true;
    }
    return this.#body;
  }
}

/** Makes the contexts of a batch, each for all templates of its record. */
export function* createContexts(packed: unknown): Generator<TemplateContext> {
  const { texts, jsons, times, calls, callOf } = packed as PackedInputs;
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i]!;
    const json = jsons ? jsons[i] : text;
    yield new TemplateContext({ text, json, timeMs: times[i]!, call: calls[callOf[i]!]! });
  }
}

const DEFAULT_TIME = (timeMs: number) => new Date(timeMs).toISOString();
/** Time formats that templates made at run time. */
const FORMATS_MAX = 100;
const formats = new Map<string, TimeFormat>();

/** The functions by name. `default~` is evaluated only when it is needed. */
export const functions: HostFunctions<TemplateContext> = {
  Ip: { params: [], run: ({ input }) => input.call.address },
  BodyStr: { params: [], run: ({ input }) => input.text },
  HeaderStr: { params: [], run: ({ input }) => headerText(input.call.headers) },
  Now: {
    params: ["format?"],
    run: ({ input }, format) => formatOf(format)(input.timeMs),
    prepare: ([format]) => {
      if (!format) return undefined;
      const write = formatOf(format.value);
      return ({ input }) => write(input.timeMs);
    },
  },
  Header: {
    params: ["name?", "default?~"],
    run({ input }, name, fallback) {
      if (name === undefined) return headerObject(input.call.headers);
      const wanted = requireText(name, "the name of a header");
      return headerValue(input.call.headers, wanted) ?? orDefault(fallback, `the header ${wanted}`);
    },
  },
  Body: {
    params: ["path?", "default?~"],
    run: (context, path, fallback) =>
      path === undefined
        ? context.body
        : readBody(context, requireText(path, "a path of the body"), fallback),
    prepare([path]) {
      if (typeof path?.value !== "string") return undefined;
      const source = path.value;
      const steps = parsePath(source);
      return (context, _path, fallback) => {
        const found = valueAt(context.body, steps);
        return found === undefined ? orDefault(fallback, `the path ${source}`) : found;
      };
    },
  },
};

function readBody(context: TemplateContext, source: string, fallback: unknown): unknown {
  const found = valueAt(context.body, parsePath(source));
  return found === undefined ? orDefault(fallback, `the path ${source}`) : found;
}

/** The default, evaluated now; without one the row cannot be made. */
function orDefault(fallback: unknown, what: string): unknown {
  if (typeof fallback === "function") return (fallback as () => unknown)();
  throw new Error(`${what} is missing`);
}

function parsePath(source: string) {
  const parsed = parseJsonPath(source);
  if ("fault" in parsed)
    throw new Error(`${source}: ${parsed.fault} at character ${parsed.at + 1}`);
  if (parsed.end < source.length) {
    throw new Error(`${source} is no path at character ${parsed.end + 1}`);
  }
  return parsed.path;
}

function formatOf(format: unknown): TimeFormat {
  if (format === undefined) return DEFAULT_TIME;
  const source = requireText(format, "a format of a time");
  const known = formats.get(source);
  if (known) return known;
  const made = compileTimeFormat(source);
  if (formats.size < FORMATS_MAX) formats.set(source, made);
  return made;
}

function requireText(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${what} is a string`);
}
