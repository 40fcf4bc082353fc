/** Functions of mappings in Jsonnet templates: K07 to K12. Threads of the pool load this module. */
import { parseJsonPath, valueAt } from "../../core/json-path.ts";
import type { HostFunctions } from "../../jsonnet/index.ts";
import { headerObject, headerText, headerValue } from "../headers.ts";
import { compileTimeFormat, type TimeFormat } from "../strftime.ts";

/** What a template sees of a record; plain data, for it goes to another thread. */
export interface TemplateInput {
  /** The body as it was sent. */
  readonly text: string;
  /** The body as JSON text; undefined when it is none. */
  readonly json: string | undefined;
  readonly address: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Arrival, milliseconds since 1970. */
  readonly timeMs: number;
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

/** Makes the context of a record, once for all of its templates. */
export function createContext(input: TemplateInput): TemplateContext {
  return new TemplateContext(input);
}

const DEFAULT_TIME = (timeMs: number) => new Date(timeMs).toISOString();
/** Time formats that templates made at run time. */
const FORMATS_MAX = 100;
const formats = new Map<string, TimeFormat>();

/** The functions by name. `default~` is evaluated only when it is needed. */
export const functions: HostFunctions<TemplateContext> = {
  Ip: { params: [], run: ({ input }) => input.address },
  BodyStr: { params: [], run: ({ input }) => input.text },
  HeaderStr: { params: [], run: ({ input }) => headerText(input.headers) },
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
      if (name === undefined) return headerObject(input.headers);
      const wanted = requireText(name, "the name of a header");
      return headerValue(input.headers, wanted) ?? orDefault(fallback, `the header ${wanted}`);
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
