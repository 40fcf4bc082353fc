import fc from "fast-check";
import { expect, test } from "vitest";
import { gatherPieces } from "../../src/ingest/body-pieces.ts";

test("property: pieces come together as they were, whatever length was said", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  const said = fc.option(fc.constantFrom(0, 10, 300_000), { nil: undefined });
  fc.assert(
    fc.property(pieces, said, (list, expected) => {
      const gathered = gatherPieces(expected);
      for (const piece of list) gathered.add(Buffer.from(piece));
      expect(gathered.whole()).toEqual(Buffer.concat(list));
    }),
  );
});

test("a body longer than it was said to be is whole all the same", () => {
  const pieces = Array.from({ length: 5 }, (_, i) => Buffer.alloc(100_000, i));
  const gathered = gatherPieces(300_001);
  for (const piece of pieces) gathered.add(piece);
  expect(gathered.whole().equals(Buffer.concat(pieces))).toBe(true);
});
