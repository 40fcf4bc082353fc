import fc from "fast-check";
import { expect, test } from "vitest";
import { checkHistory, createHistory, faultsOf, type Numbered } from "./history.ts";

/** A history of two keys with `size` acknowledged records each. */
function acked(size: number) {
  const history = createHistory();
  const rows: Numbered[] = [];
  for (let n = 0; n < size; n++) {
    for (const key of ["a", "b"]) {
      history.invoke({ key, n });
      history.settle({ key, n }, "ok");
      rows.push({ key, n });
    }
  }
  return { history, rows };
}

test("the checker finds nothing in a perfect delivery", () => {
  const { history, rows } = acked(20);
  const verdict = checkHistory(history, rows);
  expect(verdict).toMatchObject({ acked: 40, stored: 40 });
  expect(faultsOf(verdict)).toEqual({});
});

test("the checker sees every single loss, copy, swap and invention", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 37 }), (at) => {
      const { history, rows } = acked(20);
      const without = rows.toSpliced(at, 1);
      expect(Object.keys(faultsOf(checkHistory(history, without)))).toEqual(["lost"]);
      const twice = rows.toSpliced(at, 0, rows[at] as Numbered);
      expect(Object.keys(faultsOf(checkHistory(history, twice)))).toEqual(["dup"]);
      const swapped = rows.with(at, rows[at + 2] as Numbered).with(at + 2, rows[at] as Numbered);
      expect(Object.keys(faultsOf(checkHistory(history, swapped)))).toEqual(["reorder"]);
      const invented = [...rows, { key: "c", n: 0 }];
      expect(Object.keys(faultsOf(checkHistory(history, invented)))).toEqual(["invented"]);
    }),
  );
});

test("a record of unknown fate may be stored once or not at all, a refused one not", () => {
  const { history, rows } = acked(3);
  history.invoke({ key: "a", n: 3 });
  expect(faultsOf(checkHistory(history, rows))).toEqual({});
  expect(faultsOf(checkHistory(history, [...rows, { key: "a", n: 3 }]))).toEqual({});
  history.settle({ key: "a", n: 3 }, "refused");
  expect(Object.keys(faultsOf(checkHistory(history, [...rows, { key: "a", n: 3 }])))).toEqual([
    "invented",
  ]);
});
