import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SchemaSchema, Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { canonicalDecimal, compareDecimals } from "../../src/core/decimal.ts";
import { createRowResolver } from "../../src/records/resolved-rows.ts";

const capture = { primaryKey: ["id"], orderField: "at", deleteField: "gone" };

function streamOf(orderType: T) {
  const schema = create(SchemaSchema, {
    fields: [
      { name: "id", type: T.STRING },
      { name: "at", type: orderType },
      { name: "gone", type: T.BOOLEAN, nullable: true },
    ],
    changeDataCapture: capture,
  });
  return { schema, keyFields: ["id"], schemaVersion: 1, generation: 1, name: "s" };
}

/** Indexes of the records that are left, of JSON texts in the order of the log. */
function resolve(orderType: T, texts: readonly string[], keysMax?: number): number[] {
  const stream = streamOf(orderType);
  const resolver = createRowResolver(stream, stream.schema.changeDataCapture!, keysMax);
  texts.forEach((text, i) => {
    resolver.add({ sequence: 1 + (i >> 2), index: i & 3, json: Buffer.from(text) });
  });
  return resolver.rows().map(({ sequence, index }) => (sequence - 1) * 4 + index);
}

const changes = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b", "c", "d"),
    at: fc.integer({ min: 0, max: 12 }),
    gone: fc.constantFrom(true, false, null),
  }),
  { maxLength: 60 },
);

test("F09: shuffled, late and repeated changes leave the newest of each key, deleted ones left out", () => {
  fc.assert(
    fc.property(changes, (list) => {
      const winners = new Map<string, number>();
      list.forEach(({ id, at }, i) => {
        const known = winners.get(id);
        if (known === undefined || at > list[known]!.at) winners.set(id, i);
      });
      const wanted = [...winners.values()].filter((i) => list[i]!.gone !== true);
      const texts = list.map((each) => JSON.stringify(each));
      expect(resolve(T.LONG, texts)).toEqual(wanted.toSorted((a, b) => a - b));
    }),
    { numRuns: 1_000 },
  );
});

test("F09: any order of different changes gives the same rows", () => {
  const distinct = fc.uniqueArray(
    changes.map((list) => list[0]).filter((each) => !!each),
    {
      selector: (each) => `${each?.id} ${each?.at}`,
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(
      distinct.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ([list, shuffled]) => {
        const rowsOf = (each: typeof list) => {
          const texts = each.map((change) => JSON.stringify(change));
          return resolve(T.LONG, texts)
            .map((i) => texts[i])
            .sort();
        };
        expect(rowsOf(shuffled)).toEqual(rowsOf(list));
      },
    ),
  );
});

describe("F09: order values compare as in a table", () => {
  test.each([
    ["LONG beyond a double", T.LONG, "9007199254740993", "9007199254740992"],
    ["LONG below zero", T.LONG, "-9", "-10"],
    ["DECIMAL of any size", T.DECIMAL, "1e400", '"9.99e399"'],
    ["DOUBLE", T.DOUBLE, "0.5", "-1e3"],
    ["DATE", T.DATE, '"2026-02-01"', '"2026-01-31"'],
    ["TIMESTAMP over zones", T.TIMESTAMP, '"2026-01-31T12:00:00-01:00"', '"2026-01-31T12:59:59Z"'],
  ])("%s", (_title, type, greater, smaller) => {
    const record = (at: string) => `{"id":"a","at":${at}}`;
    expect(resolve(type, [record(smaller), record(greater)])).toEqual([1]);
    expect(resolve(type, [record(greater), record(smaller)])).toEqual([0]);
    expect(resolve(type, [record(greater), record(greater)])).toEqual([0]);
  });
  test("instants within one microsecond are equal: the first wins", () => {
    const record = (fraction: string) => `{"id":"a","at":"2026-01-31T12:00:00.${fraction}Z"}`;
    expect(resolve(T.TIMESTAMP, [record("0000011"), record("0000012")])).toEqual([0]);
  });
});

test("decimals compare as their values do", () => {
  const number = fc.integer({ min: -5_000, max: 5_000 });
  fc.assert(
    fc.property(number, number, (a, b) => {
      const text = (n: number) => canonicalDecimal((n / 100).toString());
      // Plus 0: the order of equal negatives may come as -0.
      expect(Math.sign(compareDecimals(text(a), text(b))) + 0).toBe(Math.sign(a - b));
    }),
  );
});

test("F09: more keys than are held are refused, with the fix", () => {
  const texts = ["a", "b", "c"].map((id) => `{"id":"${id}","at":1}`);
  expect(() => resolve(T.LONG, texts, 2)).toThrow("deliver it to a table");
  expect(resolve(T.LONG, texts, 3)).toEqual([0, 1, 2]);
});
