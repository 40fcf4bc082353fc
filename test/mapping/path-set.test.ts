import fc from "fast-check";
import { expect, test } from "vitest";
import { valueAt } from "../../src/core/json-path.ts";
import { createPathSet } from "../../src/mapping/path-set.ts";

const key = fc.constantFrom("a", "b", "a.b", 'q"uote', "back\\slash", "é", "__proto__", "");
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, 0, -1.5, "", 'text "quoted" \\', "}]{[,:"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(key, tie("value")), { maxLength: 4 })
      .map((pairs) => new Map<string, unknown>(pairs)),
  ),
})).value;

/** JSON text of a value in which maps are objects, with white space in places. */
function write(value: unknown, space: string): string {
  if (value instanceof Map) {
    const members = [...value].map(
      ([k, v]) => `${space}${JSON.stringify(k)}${space}:${write(v, space)}`,
    );
    return `{${members.join(`${space},`)}${space}}`;
  }
  if (Array.isArray(value))
    return `[${value.map((v) => write(v, space)).join(`${space},`)}${space}]`;
  return `${space}${JSON.stringify(value)}`;
}

const step = fc.oneof(key, fc.nat(4));

test("finds at every path what parsing and looking would find", () => {
  fc.assert(
    fc.property(
      json,
      fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 6 }),
      fc.constantFrom("", " ", "\n\t"),
      (value, paths, space) => {
        const text = write(value, space);
        const parsed: unknown = JSON.parse(text);
        const set = createPathSet();
        const slots = paths.map((path) => set.add(path));
        const found = set.find(text);
        paths.forEach((path, i) => {
          const wanted = valueAt(parsed, path);
          const at = found[slots[i]!];
          expect(at === undefined ? undefined : JSON.parse(at)).toEqual(wanted);
        });
      },
    ),
    { numRuns: 3_000 },
  );
});

test("N12: a number is given as it was written", () => {
  const set = createPathSet();
  const slot = set.add(["n", 1]);
  for (const number of ["9007199254740993", "1e400", "-0", "1.10"]) {
    expect(set.find(`{"n":[0, ${number} ]}`)[slot]).toBe(number);
  }
});
