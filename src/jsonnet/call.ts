/** Calls of functions. */
import { Fault, isStackOverflow, runtimeFault } from "./errors.ts";
import { allocate, currentContext, enter, leave, spend } from "./meter.ts";
import {
  Closure,
  type Frame,
  force,
  type Item,
  type JsonnetFunction,
  type Native,
  Thunk,
  type Value,
} from "./value.ts";

/**
 * What a function body gives instead of a value when it ends in a `tailstrict` call: the caller's loop
 * runs the call that `pending` holds, so that such recursion takes no stack.
 */
const TAIL_CALL: Value = [];
let pending: { fn: Closure; args: (Item | undefined)[] } | undefined;

/** Calls with arguments by position, as the standard library does. */
export function call(fn: JsonnetFunction, ...args: Item[]): Value {
  return callFunction(fn, args);
}

/**
 * Calls with one item per parameter; undefined where the default is wanted. Too many arguments, or
 * none for a parameter without default, are faults.
 */
export function callFunction(fn: JsonnetFunction, args: (Item | undefined)[]): Value {
  return fn instanceof Closure ? runClosure(fn, bindArguments(fn, args)) : runNative(fn, args);
}

/** A call with `tailstrict`: all parameters, defaults too, are evaluated before the body. */
export function callStrictly(fn: JsonnetFunction, args: (Item | undefined)[]): Value {
  return fn instanceof Closure ? runClosure(fn, bindStrictly(fn, args)) : runNative(fn, args);
}

function runClosure(first: Closure, firstFrame: Frame): Value {
  enter();
  let value = first.plan.code(firstFrame);
  while (value === TAIL_CALL && pending) {
    const { fn, args } = pending;
    pending = undefined;
    spend(1);
    value = fn.plan.code(bindStrictly(fn, args));
  }
  leave();
  return value;
}

/** Leaves a call to the loop of the running one; only where its value would be returned anyway. */
export function tailCall(fn: JsonnetFunction, args: (Item | undefined)[]): Value {
  if (!(fn instanceof Closure)) return runNative(fn, args);
  pending = { fn, args };
  return TAIL_CALL;
}

function bindStrictly(fn: Closure, args: (Item | undefined)[]): Frame {
  const frame = bindArguments(fn, args);
  for (let i = 1; i <= fn.plan.params.length; i++) frame[i] = force(frame[i] as Item);
  return frame;
}

function bindArguments(fn: Closure, args: (Item | undefined)[]): Frame {
  const { plan } = fn;
  const { params } = plan;
  if (args.length > params.length) throw tooManyArguments(params.length, args.length);
  allocate(64 + plan.size * 8);
  const frame: Frame = new Array(plan.size);
  frame[0] = fn.frame;
  for (let i = 0; i < params.length; i++) {
    const given = args[i];
    frame[i + 1] = given === undefined ? fallback(fn, i, frame) : given;
  }
  return frame;
}

function fallback(fn: Closure, index: number, frame: Frame): Thunk {
  const code = fn.plan.defaults[index];
  if (code === undefined) throw missingArgument(fn.plan.params[index] as string);
  return new Thunk(code, frame);
}

function runNative(fn: Native, args: (Item | undefined)[]): Value {
  const { params } = fn;
  if (args.length > params.length) throw tooManyArguments(params.length, args.length);
  enter();
  const values = params.map(({ name, optional, lazy }, i) => {
    const given = args[i];
    if (given === undefined && !optional) throw missingArgument(name);
    return given === undefined || lazy ? given : force(given);
  });
  const value = fn.run(...(values as never[]));
  leave();
  return value;
}

/** The fault of a call with more arguments than parameters. */
export function tooManyArguments(params: number, args: number): Fault {
  return runtimeFault(`The function takes ${params} arguments, not ${args}.`);
}

/** The fault of a parameter that got nothing and has no default. */
export function missingArgument(name: string): Fault {
  return runtimeFault(`The argument "${name}" is missing.`);
}

/** The fault for what a function of the host threw; faults and overflows of the stack stay. */
export function hostFault(kind: "syntax" | "runtime", error: unknown): unknown {
  if (error instanceof Fault || isStackOverflow(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new Fault(kind, reason, { cause: error });
}

/** Runs a function of the host: what it throws becomes the cause of a fault. */
export function callHost(run: (context: unknown, ...args: unknown[]) => unknown, args: unknown[]) {
  try {
    return run(currentContext(), ...args);
  } catch (error) {
    throw hostFault("runtime", error);
  }
}
