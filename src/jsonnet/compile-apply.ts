/** Calls. */
import type { Bind, Node, NodeOf } from "./ast.ts";
import {
  callFunction,
  callStrictly,
  hostFault,
  missingArgument,
  tailCall,
  tooManyArguments,
} from "./call.ts";
import { type Compiler, compileItem, type ItemCode } from "./compiler.ts";
import { type Fault, locate, runtimeFault } from "./errors.ts";
import { enter, leave } from "./meter.ts";
import { findName, type Scope } from "./scope.ts";
import {
  Closure,
  type Code,
  type Frame,
  type Item,
  type JsonnetFunction,
  Native,
  type NativeParam,
  typeName,
  type Value,
} from "./value.ts";

/** Code for `target(arguments)`. */
export function compileApply(
  compiler: Compiler,
  node: NodeOf<"apply">,
  { scope, tail }: { scope: Scope; tail: boolean },
): Code {
  const native = findNative(compiler, node.target, scope);
  if (native) return compileNativeCall(compiler, node, { scope, native });
  const { at, tailstrict } = node;
  const target = compiler.compile(node.target, scope);
  const args = node.args.map((arg) => compileItem(compiler, arg, scope));
  const named = node.named.map(({ name, body }) => ({
    name,
    item: compileItem(compiler, body, scope),
  }));
  const strict = tail ? tailCall : callStrictly;
  const run = tailstrict ? strict : callFunction;
  return (frame) => {
    const fn = target(frame);
    if (!(fn instanceof Closure) && !(fn instanceof Native)) {
      throw runtimeFault(`A value of type ${typeName(fn)} cannot be called.`, at);
    }
    try {
      const items: (Item | undefined)[] = args.map((arg) => arg(frame));
      if (named.length > 0) bindNamed(fn, { items, named, frame });
      return run(fn, items);
    } catch (error) {
      throw locate(error, at);
    }
  };
}

interface NamedArguments {
  readonly items: (Item | undefined)[];
  readonly named: readonly { readonly name: string; readonly item: ItemCode }[];
  readonly frame: Frame;
}

function bindNamed(fn: JsonnetFunction, { items, named, frame }: NamedArguments): void {
  const names = fn instanceof Closure ? fn.plan.params : fn.params.map((param) => param.name);
  if (items.length > names.length) throw tooManyArguments(names.length, items.length);
  for (const { name, item } of named) {
    const index = names.indexOf(name);
    if (index < 0) throw runtimeFault(`The function has no parameter "${name}".`);
    if (items[index] !== undefined) throw givenTwice(name);
    items[index] = item(frame);
  }
}

function givenTwice(name: string): Fault {
  return runtimeFault(`The argument "${name}" is given twice.`);
}

/** The function that a call names, if it is one of `std` or of the host and known at compile time. */
function findNative(compiler: Compiler, target: Node, scope: Scope): Native | undefined {
  let found: Value | undefined;
  if (target.kind === "variable" && !findName(scope, target.name)) {
    found = compiler.globals.get(target.name);
  } else if (target.kind === "index" && target.target.kind === "variable") {
    const { index, target: object } = target;
    if (object.name === "std" && !findName(scope, "std") && index.kind === "literal") {
      found = compiler.std.get(String(index.value));
    }
  }
  return found instanceof Native ? found : undefined;
}

/** A call without thunks: arguments are matched with parameters now, and evaluated at the call. */
function compileNativeCall(
  compiler: Compiler,
  node: NodeOf<"apply">,
  { scope, native }: { scope: Scope; native: Native },
): Code {
  const matched = matchArguments(native.params, node);
  if (!Array.isArray(matched)) {
    return () => {
      throw runtimeFault(matched.reason, node.at);
    };
  }
  const codes = matched.map((arg, i) => {
    if (arg === undefined) return NOTHING;
    return native.params[i]?.lazy
      ? compileItem(compiler, arg, scope)
      : compiler.compile(arg, scope);
  });
  const run = prepareCall(compiler, native, { args: matched, at: node.at });
  return located(invocation(run, codes), node.at);
}

function prepareCall(
  compiler: Compiler,
  native: Native,
  { args, at }: { readonly args: readonly (Node | undefined)[]; readonly at: number },
): Native["run"] {
  try {
    return compiler.preparers.get(native)?.(args.map(asPrepared)) ?? native.run;
  } catch (error) {
    throw locate(hostFault("syntax", error), at);
  }
}

function asPrepared(arg: Node | undefined) {
  if (arg === undefined) return { value: undefined };
  return arg.kind === "literal" ? { value: arg.value } : undefined;
}

const NOTHING = () => undefined;

function invocation(run: Native["run"], codes: ((frame: Frame) => Item | undefined)[]): Code {
  const invoke = run as (...args: (Item | undefined)[]) => Value;
  const [first, second, third] = codes;
  switch (codes.length) {
    case 0:
      return () => invoke();
    case 1:
      return (frame) => invoke(first?.(frame));
    case 2:
      return (frame) => invoke(first?.(frame), second?.(frame));
    case 3:
      return (frame) => invoke(first?.(frame), second?.(frame), third?.(frame));
    default:
      return (frame) => invoke(...codes.map((code) => code(frame)));
  }
}

function located(code: Code, at: number): Code {
  return (frame) => {
    enter();
    try {
      const value = code(frame);
      leave();
      return value;
    } catch (error) {
      throw locate(error, at);
    }
  };
}

function matchArguments(
  params: readonly NativeParam[],
  { args, named }: { readonly args: readonly Node[]; readonly named: readonly Bind[] },
): (Node | undefined)[] | Fault {
  if (args.length > params.length) return tooManyArguments(params.length, args.length);
  const matched: (Node | undefined)[] = params.map((_, i) => args[i]);
  for (const { name, body } of named) {
    const index = params.findIndex((param) => param.name === name);
    if (index < 0) return runtimeFault(`The function has no parameter "${name}".`);
    if (matched[index]) return givenTwice(name);
    matched[index] = body;
  }
  const missing = params.find((param, i) => !param.optional && !matched[i]);
  return missing ? missingArgument(missing.name) : matched;
}
