/** How functions of the standard library are written down. */
import { type Item, Native, type NativeParam, type Value } from "../value.ts";

/** Functions by name. */
export type StdFunctions = Readonly<Record<string, Native>>;

/**
 * Makes a function. Its parameters are named by `params`: `name`, `name?` for optional ones, which
 * come as undefined, and `name~` for lazy ones, which come as items.
 */
export function native<Args extends readonly (Item | undefined)[]>(
  params: string,
  run: (...args: Args) => Value,
): Native {
  return new Native("", parseParams(params), run as unknown as Native["run"]);
}

function parseParams(params: string): NativeParam[] {
  if (params === "") return [];
  return params.split(" ").map((param) => ({
    name: param.replace(/[?~]/g, ""),
    optional: param.includes("?"),
    lazy: param.includes("~"),
  }));
}
