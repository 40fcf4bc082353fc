/** Order: sorting, sets (sorted arrays without duplicates), least and greatest. */
import { call } from "../call.ts";
import { runtimeFault } from "../errors.ts";
import { allocateItems, spend } from "../meter.ts";
import { compare, equals } from "../operators.ts";
import { force, type Item, type Value } from "../value.ts";
import { asArray, asFunction } from "./check.ts";
import { elementsOf } from "./lazy.ts";
import { native, type StdFunctions } from "./native.ts";

/** What elements are compared by. */
type KeyOf = (item: Item) => Value;

export const SET_FUNCTIONS: StdFunctions = {
  sort: native("arr keyF?", (arr: Value, keyF?: Value) => sort(asArray(arr), keyOf(keyF))),
  uniq: native("arr keyF?", (arr: Value, keyF?: Value) => uniq(elementsOf(arr), keyOf(keyF))),
  set: native("arr keyF?", (arr: Value, keyF?: Value) => {
    const key = keyOf(keyF);
    return uniq(sort(asArray(arr), key), key);
  }),
  setMember: native("x~ arr keyF?", (x: Item, arr: Value, keyF?: Value) => {
    return merge([x], elementsOf(arr), keyOf(keyF)).both.length > 0;
  }),
  setUnion: native("a b keyF?", (a: Value, b: Value, keyF?: Value) => {
    return merge(elementsOf(a), elementsOf(b), keyOf(keyF)).all;
  }),
  setInter: native("a b keyF?", (a: Value, b: Value, keyF?: Value) => {
    return merge(elementsOf(a), elementsOf(b), keyOf(keyF)).both;
  }),
  setDiff: native("a b keyF?", (a: Value, b: Value, keyF?: Value) => {
    return merge(elementsOf(a), elementsOf(b), keyOf(keyF)).onlyLeft;
  }),
  minArray: native("arr keyF? onEmpty?~", (arr: Value, keyF?: Value, onEmpty?: Item) =>
    extreme(asArray(arr), { key: keyOf(keyF), sign: 1, onEmpty }),
  ),
  maxArray: native("arr keyF? onEmpty?~", (arr: Value, keyF?: Value, onEmpty?: Item) =>
    extreme(asArray(arr), { key: keyOf(keyF), sign: -1, onEmpty }),
  ),
};

function keyOf(keyF: Value | undefined): KeyOf {
  if (keyF === undefined) return force;
  const fn = asFunction(keyF);
  return (item) => call(fn, item);
}

function sort(items: Item[], key: KeyOf): Item[] {
  allocateItems(items.length * 4);
  const keyed = items.map((item) => ({ item, key: key(item) }));
  // A single element is compared with nothing, so it may be of any type.
  keyed.sort((a, b) => {
    spend(1);
    return compare(a.key, b.key);
  });
  return keyed.map(({ item }) => item);
}

function uniq(items: Item[], key: KeyOf): Item[] {
  allocateItems(items.length);
  const kept: Item[] = [];
  let last: Value = null;
  for (const item of items) {
    const own = key(item);
    if (kept.length > 0 && equals(last, own)) continue;
    kept.push(item);
    last = own;
  }
  return kept;
}

interface Merged {
  readonly all: Item[];
  readonly both: Item[];
  readonly onlyLeft: Item[];
}

function merge(left: Item[], right: Item[], key: KeyOf): Merged {
  allocateItems((left.length + right.length) * 2);
  const merged: Merged = { all: [], both: [], onlyLeft: [] };
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) {
    spend(1);
    const [one, other] = [left[i] as Item, right[j] as Item];
    const [oneKey, otherKey] = [key(one), key(other)];
    if (equals(oneKey, otherKey)) {
      merged.both.push(one);
      merged.all.push(one);
      i++;
      j++;
    } else if (compare(oneKey, otherKey) < 0) {
      merged.onlyLeft.push(one);
      merged.all.push(one);
      i++;
    } else {
      merged.all.push(other);
      j++;
    }
  }
  for (const rest of left.slice(i)) {
    merged.onlyLeft.push(rest);
    merged.all.push(rest);
  }
  for (const rest of right.slice(j)) merged.all.push(rest);
  return merged;
}

interface Extreme {
  readonly key: KeyOf;
  /** 1 for the least, -1 for the greatest. */
  readonly sign: number;
  readonly onEmpty: Item | undefined;
}

function extreme(items: Item[], { key, sign, onEmpty }: Extreme): Value {
  const [first, ...rest] = items;
  if (first === undefined) {
    if (onEmpty !== undefined) return force(onEmpty);
    throw runtimeFault("An empty array has no least or greatest element.");
  }
  let best: Item = first;
  let bestKey = key(first);
  for (const item of rest) {
    spend(1);
    const itemKey = key(item);
    if (compare(bestKey, itemKey) * sign <= 0) continue;
    best = item;
    bestKey = itemKey;
  }
  return force(best);
}
