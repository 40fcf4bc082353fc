/** Which names can be seen where, and in which slot of which frame they will be. */
import type { Frame } from "./value.ts";

/** What is known at compile time of the frames of one function, object or loop. */
export interface FrameLayout {
  readonly outer: FrameLayout | undefined;
  /** Whether slots 1 and 2 hold an object and the index of its layer. */
  readonly isObject: boolean;
  /** Slots given away so far. */
  size: number;
}

/** Names that can be seen at a place. */
export interface Scope {
  readonly layout: FrameLayout;
  readonly names: ReadonlyMap<string, number>;
  readonly outer: Scope | undefined;
}

/** A variable at run time: how many frames outwards, and its slot there. */
export interface Place {
  readonly hops: number;
  readonly slot: number;
}

/** The scope around a template: no frame outside, no names. */
export function outermostScope(): Scope {
  return { layout: newLayout(undefined, false), names: new Map(), outer: undefined };
}

function newLayout(outer: FrameLayout | undefined, isObject: boolean): FrameLayout {
  return { outer, isObject, size: isObject ? 3 : 1 };
}

/** A scope with further names in the same frame. */
export function withNames(scope: Scope, names: readonly string[]): Scope {
  return { layout: scope.layout, names: giveSlots(scope.layout, names), outer: scope };
}

/** A scope whose code runs in a frame of its own. */
export function withFrame(scope: Scope, names: readonly string[], isObject = false): Scope {
  const layout = newLayout(scope.layout, isObject);
  return { layout, names: giveSlots(layout, names), outer: scope };
}

function giveSlots(layout: FrameLayout, names: readonly string[]): Map<string, number> {
  return new Map(names.map((name) => [name, layout.size++]));
}

/** Where a name is, or undefined when nothing binds it. */
export function findName(scope: Scope, name: string): Place | undefined {
  for (let at: Scope | undefined = scope; at; at = at.outer) {
    const slot = at.names.get(name);
    if (slot !== undefined) return { hops: hopsTo(scope.layout, at.layout), slot };
  }
  return undefined;
}

/** Frames from here to the object around, innermost or outermost; undefined outside of objects. */
export function findObject(scope: Scope, which: "self" | "dollar"): number | undefined {
  let found: number | undefined;
  let hops = 0;
  for (let at: FrameLayout | undefined = scope.layout; at; at = at.outer, hops++) {
    if (!at.isObject) continue;
    if (which === "self") return hops;
    found = hops;
  }
  return found;
}

function hopsTo(from: FrameLayout, to: FrameLayout): number {
  let hops = 0;
  for (let at: FrameLayout | undefined = from; at && at !== to; at = at.outer) hops++;
  return hops;
}

/** The frame that many frames outwards. */
export function frameAt(frame: Frame, hops: number): Frame {
  let at = frame;
  for (let i = hops; i > 0; i--) at = at[0] as Frame;
  return at;
}
