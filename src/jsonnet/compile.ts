/**
 * From the syntax tree to closures. Names are resolved here, so a template that compiles has no
 * unknown variable, and no `self`, `super` or `$` outside of an object.
 */
import type { Node, NodeOf } from "./ast.ts";
import { compileApply } from "./compile-apply.ts";
import { compileArray, compileArrayComprehension } from "./compile-array.ts";
import { compileCheck, compileError, isTrue } from "./compile-check.ts";
import { compileFunction, compileLocal } from "./compile-function.ts";
import { compileIndex, compileInSuper, compileSlice, compileSuperIndex } from "./compile-index.ts";
import { compileObject, compileObjectComprehension } from "./compile-object.ts";
import { compileBinary, compileUnary } from "./compile-operator.ts";
import type { Compiler } from "./compiler.ts";
import { limitFault, syntaxFault } from "./errors.ts";
import { enter, leave } from "./meter.ts";
import { findName, findObject, frameAt, outermostScope, type Scope } from "./scope.ts";
import { type Code, type Frame, force, type Item, type Value } from "./value.ts";

/** The environment that names outside of the template come from. */
export type Environment = Pick<Compiler, "globals" | "preparers" | "std">;

/** Each so many levels of expressions within each other count as a level of depth at run time. */
const LEVELS_PER_DEPTH = 4;

/** As the parser's bound of nesting, but also for chains such as `1 + 1 + …`. */
const LEVELS_MAX = 600;

/** Code that gives the value of the template. */
export function compileRoot(root: Node, environment: Environment): () => Value {
  const scope = outermostScope();
  const code = createCompiler(environment).compile(root, scope);
  return () => code(new Array(scope.layout.size));
}

function createCompiler(environment: Environment): Compiler {
  let level = 0;
  const descend = (node: Node, scope: Scope, tail: boolean): Code => {
    if (++level > LEVELS_MAX) {
      const reason = `Expressions are nested more than ${LEVELS_MAX} deep.`;
      throw limitFault("nesting", reason, node.at);
    }
    const code = compileNode(compiler, node, { scope, tail });
    const counts = level % LEVELS_PER_DEPTH === 0;
    level--;
    return counts ? counted(code) : code;
  };
  const compiler: Compiler = {
    ...environment,
    compile: (node, scope) => descend(node, scope, false),
    compileTail: (node, scope) => descend(node, scope, true),
  };
  return compiler;
}

function counted(code: Code): Code {
  return (frame) => {
    enter();
    const value = code(frame);
    leave();
    return value;
  };
}

interface Position {
  readonly scope: Scope;
  readonly tail: boolean;
}

function compileNode(compiler: Compiler, node: Node, { scope, tail }: Position): Code {
  const { compile, compileTail } = compiler;
  const compileEnd = tail ? compileTail : compile;
  switch (node.kind) {
    case "literal":
      return literal(node.value);
    case "variable":
      return compileVariable(compiler, node, scope);
    case "self":
    case "dollar":
      return compileSelf(node, scope);
    case "array":
      return compileArray(compiler, node, scope);
    case "arrayComprehension":
      return compileArrayComprehension(compiler, node, scope);
    case "object":
      return compileObject(compiler, node, scope);
    case "objectComprehension":
      return compileObjectComprehension(compiler, node, scope);
    case "index":
      return compileIndex(compiler, node, scope);
    case "slice":
      return compileSlice(compiler, node, scope);
    case "superIndex":
      return compileSuperIndex(compiler, node, scope);
    case "inSuper":
      return compileInSuper(compiler, node, scope);
    case "apply":
      return compileApply(compiler, node, { scope, tail });
    case "binary":
      return compileBinary(compiler, node, scope);
    case "unary":
      return compileUnary(compiler, node, scope);
    case "conditional":
      return compileConditional(
        node,
        (part) => compile(part, scope),
        (part) => compileEnd(part, scope),
      );
    case "local":
      return compileLocal(compiler, node, { scope, compileBody: compileEnd });
    case "function":
      return compileFunction(compiler, node, scope);
    case "error":
      return compileError(compile(node.message, scope), node.at);
    case "assert":
      return compileAssert(node, (part) => compile(part, scope), compileEnd(node.rest, scope));
  }
}

function literal(value: Value): Code {
  return () => value;
}

function compileVariable(compiler: Compiler, node: NodeOf<"variable">, scope: Scope): Code {
  const place = findName(scope, node.name);
  if (!place) {
    const value = compiler.globals.get(node.name);
    if (value === undefined) throw syntaxFault(node.at, `Unknown variable "${node.name}".`);
    return literal(value);
  }
  const { hops, slot } = place;
  if (hops === 0) return (frame) => read(frame, slot);
  if (hops === 1) return (frame) => read(frame[0] as Frame, slot);
  return (frame) => read(frameAt(frame, hops), slot);
}

function read(frame: Frame, slot: number): Value {
  const item = frame[slot] as Item;
  const value = force(item);
  if (value !== item) frame[slot] = value;
  return value;
}

function compileSelf(node: NodeOf<"self" | "dollar">, scope: Scope): Code {
  const hops = findObject(scope, node.kind);
  const name = node.kind === "self" ? "self" : "$";
  if (hops === undefined) {
    throw syntaxFault(node.at, `"${name}" has a meaning only within an object.`);
  }
  return (frame) => frameAt(frame, hops)[1] as Value;
}

function compileConditional(
  node: NodeOf<"conditional">,
  compile: (part: Node) => Code,
  compileEnd: (part: Node) => Code,
): Code {
  const { at } = node;
  const test = compile(node.test);
  const then = compileEnd(node.then);
  const otherwise = node.otherwise ? compileEnd(node.otherwise) : literal(null);
  return (frame) => (isTrue(test(frame), at) ? then(frame) : otherwise(frame));
}

function compileAssert(node: NodeOf<"assert">, compile: (part: Node) => Code, rest: Code): Code {
  const check = compileCheck(node, compile, "Assertion failed");
  return (frame) => {
    check(frame);
    return rest(frame);
  };
}
