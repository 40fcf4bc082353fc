/** Functions that the host gives to templates. */
import { callHost } from "./call.ts";
import type { PreparedArgument, Preparer } from "./compiler.ts";
import { fromHost } from "./host-value.ts";
import { force, type Item, Native, type Value } from "./value.ts";

/** What a host function gets for an argument. */
export type HostArgument =
  /** Null, a boolean, a number or a string as it is; of anything else a handle, to be given back. */
  | unknown
  /** For a lazy parameter, a function that evaluates the argument. */
  | (() => unknown);

/** What runs when a template calls a host function. `context` is what `evaluate` was given. */
export type HostRun<Context> = (context: Context, ...args: HostArgument[]) => unknown;

/** A function that templates call by its plain name. */
export interface HostFunction<Context> {
  /** `name`, or `name?` for one that may be left out (undefined then), or `name~` for a lazy one. */
  readonly params: readonly string[];
  /** Gives JSON, or a handle that it got. What it throws becomes the cause of a JsonnetError. */
  readonly run: HostRun<Context>;
  /**
   * Called once for each call in the source, when the template is compiled: literal arguments by
   * value, `{ value: undefined }` for those left out, undefined for those that are known only later.
   * May give a function for just this call; what it throws refuses the template at that place.
   */
  readonly prepare?: (args: readonly PreparedArgument[]) => HostRun<Context> | undefined;
}

/** Host functions by name. */
export type HostFunctions<Context> = Readonly<Record<string, HostFunction<Context>>>;

/** The functions as values, with what prepares their calls. */
export function wrapHostFunctions<Context>(functions: HostFunctions<Context>): {
  natives: Map<string, Native>;
  preparers: Map<Native, Preparer>;
} {
  const natives = new Map<string, Native>();
  const preparers = new Map<Native, Preparer>();
  for (const [name, { params, run, prepare }] of Object.entries(functions)) {
    const parsed = params.map((param) => ({
      name: param.replace(/[?~]/g, ""),
      optional: param.includes("?"),
      lazy: param.includes("~"),
    }));
    const lazy = parsed.map((param) => param.lazy);
    const native = new Native(name, parsed, wrapRun(run as HostRun<unknown>, lazy));
    natives.set(name, native);
    if (!prepare) continue;
    preparers.set(native, (args) => {
      const prepared = prepare(args);
      return prepared && wrapRun(prepared as HostRun<unknown>, lazy);
    });
  }
  return { natives, preparers };
}

function wrapRun(run: HostRun<unknown>, lazy: readonly boolean[]): Native["run"] {
  if (!lazy.includes(true)) {
    return ((...args: (Value | undefined)[]) => fromHost(callHost(run, args))) as Native["run"];
  }
  return ((...args: (Item | undefined)[]) =>
    fromHost(
      callHost(
        run,
        args.map((arg, i) => (lazy[i] && arg !== undefined ? () => force(arg) : arg)),
      ),
    )) as Native["run"];
}
