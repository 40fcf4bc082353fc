/** Object literals and object comprehensions. */
import type { Bind, FieldNode, NodeOf } from "./ast.ts";
import { compileLoop } from "./compile-array.ts";
import { compileCheck } from "./compile-check.ts";
import type { Compiler } from "./compiler.ts";
import { runtimeFault } from "./errors.ts";
import { allocate } from "./meter.ts";
import { findField } from "./object.ts";
import { add } from "./operators.ts";
import { quote } from "./quote.ts";
import { type Scope, withFrame } from "./scope.ts";
import { compareText } from "./text.ts";
import {
  type Code,
  type Field,
  type Frame,
  JsonnetObject,
  type ObjectPlan,
  typeName,
  type Value,
} from "./value.ts";

/** Code for `{ … }`. Names in brackets are evaluated outside of the object, its fields later. */
export function compileObject(compiler: Compiler, node: NodeOf<"object">, scope: Scope): Code {
  const inner = objectScope(scope, node.locals);
  const fields = node.fields.map((field) => compileField(compiler, field, { scope, inner }));
  const asserts = node.asserts.map((assert) =>
    compileCheck(assert, (part) => compiler.compile(part, inner), "Object assertion failed."),
  );
  const plan = finishPlan(compiler, node.locals, { inner, asserts });
  const hasAsserts = asserts.length > 0;
  const bytes = 96 + fields.length * 16;
  if (node.fields.every((field) => !field.computed)) {
    const fixed = collectFields(fields, []);
    const visibleNames = [...fixed.keys()]
      .filter((name) => fixed.get(name)?.visibility !== "hidden")
      .sort(compareText);
    return (frame) => {
      allocate(bytes);
      return new JsonnetObject([{ plan, fields: fixed, frame, visibleNames }], hasAsserts);
    };
  }
  return (frame) => {
    allocate(bytes + fields.length * 64);
    return new JsonnetObject([{ plan, fields: collectFields(fields, frame), frame }], hasAsserts);
  };
}

/** Code for `{ [name]: value for … }`: each field has the frame of its turn of the loop. */
export function compileObjectComprehension(
  compiler: Compiler,
  node: NodeOf<"objectComprehension">,
  scope: Scope,
): Code {
  const { loop, inner: turn } = compileLoop(compiler, node.specs, scope);
  const inner = objectScope(turn, node.locals);
  const field = compileField(compiler, node.field, { scope: turn, inner });
  const plan = finishPlan(compiler, node.locals, { inner, asserts: [] });
  return (frame) => {
    const fields = new Map<string, Field>();
    loop(frame, (at) => {
      allocate(96);
      addField(fields, field, { frame: at, own: at });
    });
    return new JsonnetObject([{ plan, fields, frame }], false);
  };
}

function objectScope(scope: Scope, locals: readonly Bind[]): Scope {
  const names = locals.map((bind) => bind.name);
  return withFrame(scope, names, true);
}

/** The plan is made last: only then is it known how many slots the fields' own locals take. */
function finishPlan(
  compiler: Compiler,
  locals: readonly Bind[],
  { inner, asserts }: { inner: Scope; asserts: readonly Code[] },
): ObjectPlan {
  const binds = locals.map(({ name, body }) => ({
    slot: inner.names.get(name) as number,
    code: compiler.compile(body, inner),
  }));
  return { size: inner.layout.size, locals: binds, asserts };
}

/** A field before it is known which object it is in. */
interface CompiledField {
  readonly at: number;
  readonly name: Code;
  readonly visibility: Field["visibility"];
  readonly plus: boolean;
  readonly code: Code;
}

function compileField(
  compiler: Compiler,
  field: FieldNode,
  { scope, inner }: { scope: Scope; inner: Scope },
): CompiledField {
  const { at, visibility, plus } = field;
  const name = compiler.compile(field.name, scope);
  const code = compiler.compile(field.body, inner);
  return { at, name, visibility, plus, code };
}

function collectFields(compiled: readonly CompiledField[], frame: Frame): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const field of compiled) addField(fields, field, { frame });
  return fields;
}

/** `frame` is where the name is evaluated; `own` the frame of the value, if not that of the layer. */
function addField(
  fields: Map<string, Field>,
  compiled: CompiledField,
  { frame, own }: { frame: Frame; own?: Frame },
): void {
  const { at, visibility } = compiled;
  const name = compiled.name(frame);
  if (name === null) return;
  if (typeof name !== "string") {
    throw runtimeFault(`A field is named by a string, not ${typeName(name)}.`, at);
  }
  if (fields.has(name)) throw runtimeFault(`The field ${quote(name)} is there twice.`, at);
  const code = compiled.plus ? addToSuper(name, compiled) : compiled.code;
  fields.set(name, own ? { visibility, code, frame: own } : { visibility, code });
}

/** `name+: value` is `name: super.name + value` where the layers below have that field. */
function addToSuper(name: string, { code, at }: CompiledField): Code {
  return (frame) => {
    const [, object, layer] = frame as [Frame, JsonnetObject, number];
    const base: Value | undefined = findField(object, name, layer - 1);
    const value = code(frame);
    return base === undefined ? value : add(base, value, at);
  };
}
