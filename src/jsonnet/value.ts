/**
 * Values while a template runs. Null, booleans, numbers and strings are JavaScript's own; an array is
 * a JavaScript array whose elements may still be thunks; objects and functions are the classes below.
 */
import { runtimeFault } from "./errors.ts";
import { enter, leave } from "./meter.ts";

/** A value that is known. Arrays hold items, which may still have to be forced. */
export type Value = null | boolean | number | string | Item[] | JsonnetObject | JsonnetFunction;

/** A value, or the promise of one. */
export type Item = Value | Thunk;

/**
 * Where variables live at run time: slot 0 is the enclosing frame, the frame of an object holds
 * itself and the index of the layer in slots 1 and 2, and then come variables as items. Which slot a
 * name has is settled at compile time.
 */
export type Frame = unknown[];

/** A compiled expression. */
export type Code = (frame: Frame) => Value;

/** An expression to be evaluated at most once, when somebody needs it. */
export class Thunk {
  code: Code | undefined;
  frame: Frame | undefined;
  value: Value | undefined;

  constructor(code: Code, frame: Frame) {
    this.code = code;
    this.frame = frame;
    this.value = undefined;
  }
}

/** The value of an item, evaluated now if it has not been. */
export function force(item: Item): Value {
  return item instanceof Thunk ? forceThunk(item) : item;
}

function forceThunk(thunk: Thunk): Value {
  const { code } = thunk;
  if (code === undefined) return thunk.value as Value;
  enter();
  thunk.code = alreadyRunning;
  const value = code(thunk.frame as Frame);
  leave();
  thunk.code = undefined;
  thunk.frame = undefined;
  thunk.value = value;
  return value;
}

const alreadyRunning: Code = () => {
  throw runtimeFault("This value needs itself: infinite recursion.");
};

/** The element of an array, evaluated; the index is in range. */
export function itemAt(items: Item[], index: number): Value {
  const item = items[index] as Item;
  if (!(item instanceof Thunk)) return item;
  const value = forceThunk(item);
  items[index] = value;
  return value;
}

/** Whether a field is shown: as the layer below says, never, or always (`:`, `::`, `:::`). */
export type Visibility = "inherit" | "hidden" | "visible";

/** A field of one layer. */
export interface Field {
  readonly visibility: Visibility;
  readonly code: Code;
  /** The enclosing frame, when it differs from the layer's: fields of a comprehension. */
  readonly frame?: Frame;
}

/** What is known of an object literal at compile time. */
export interface ObjectPlan {
  /** Slots of the frame of a layer: the object, the layer's index, and the object's locals. */
  size: number;
  readonly locals: readonly { readonly slot: number; readonly code: Code }[];
  readonly asserts: readonly Code[];
}

/**
 * One object literal within the sum that an object is. Besides literals there are objects of the host
 * (`raw`, JSON that is wrapped field by field when read), and the mark of a removed field.
 */
export interface Layer {
  readonly plan: ObjectPlan;
  readonly fields: ReadonlyMap<string, Field>;
  readonly frame: Frame;
  /** The names that are shown, in order, where they are known at compile time. */
  readonly visibleNames?: readonly string[];
  readonly raw?: Readonly<Record<string, unknown>>;
  /** Hides a field of the `span` layers below, not of those below them. */
  readonly removed?: { readonly name: string; readonly span: number };
}

/** An object: layers from the base to the one added last. */
export class JsonnetObject {
  readonly layers: readonly Layer[];
  /** Per layer, when first needed: its frame for this object, and values of its fields. */
  readonly frames: (Frame | undefined)[] = [];
  readonly values: (Map<string, Value> | undefined)[] = [];
  hasUncheckedAsserts: boolean;
  visibleNames: readonly string[] | undefined;

  constructor(layers: readonly Layer[], hasAsserts: boolean) {
    this.layers = layers;
    this.hasUncheckedAsserts = hasAsserts;
  }
}

/** What is known of a function literal at compile time. */
export interface FunctionPlan {
  readonly params: readonly string[];
  readonly defaults: readonly (Code | undefined)[];
  readonly code: Code;
  /** Slots of its frame. */
  size: number;
}

/** A function of the template. */
export class Closure {
  readonly plan: FunctionPlan;
  readonly frame: Frame;

  constructor(plan: FunctionPlan, frame: Frame) {
    this.plan = plan;
    this.frame = frame;
  }
}

/** A parameter of a function that is not written in Jsonnet. */
export interface NativeParam {
  readonly name: string;
  readonly optional: boolean;
  /** Lazy parameters get an item, others a value. */
  readonly lazy: boolean;
}

/** A function of the standard library or of the host. Optional arguments may be undefined. */
export class Native {
  readonly name: string;
  readonly params: readonly NativeParam[];
  readonly run: (...args: never[]) => Value;

  constructor(name: string, params: readonly NativeParam[], run: (...args: never[]) => Value) {
    this.name = name;
    this.params = params;
    this.run = run;
  }
}

/** A function as a value. */
export type JsonnetFunction = Closure | Native;

/** The type of a value, as `std.type` says it. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof JsonnetObject) return "object";
  return value instanceof Closure || value instanceof Native ? "function" : typeof value;
}
