import fc from "fast-check";
import { expect, test } from "vitest";
import { packKeys, packPage, unpackKeys, unpackPage } from "../../src/delivery/packed-keys.ts";
import type { ParkedKey } from "../../src/delivery/parked-keys.ts";

const key = fc.record({
  first: fc.record({
    sequence: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    index: fc.integer({ min: 0, max: 2 ** 20 }),
  }),
  isResuming: fc.boolean(),
});

test("N05: parked keys come back as they were packed, 16 bytes each", () => {
  const keys = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), key));
  fc.assert(
    fc.property(keys, (entries) => {
      const parked = new Map<number, ParkedKey>(entries);
      const packed = packKeys(parked, parked.size);
      expect(packed.byteLength).toBe(parked.size * 16);
      // As protobuf gives them: somewhere within a larger buffer.
      const within = Buffer.concat([Buffer.from("ab"), packed]).subarray(2);
      expect([...unpackKeys(within)]).toEqual([...parked]);
    }),
  );
});

test("packed keys that are cut off are refused", () => {
  expect(() => unpackKeys(new Uint8Array(15))).toThrow(RangeError);
});

test("a page gives the keys of its partitions as they were, and is refused when it is cut off", () => {
  const paged = fc.record({
    partition: fc.integer({ min: 0, max: 1_000 }),
    hash: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    key,
  });
  fc.assert(
    fc.property(fc.array(paged), (keys) => {
      const packed = packPage(keys);
      expect(packed.byteLength).toBe(keys.length * 20);
      expect(unpackPage(packed)).toEqual(keys);
    }),
  );
  expect(() => unpackPage(new Uint8Array(19))).toThrow(RangeError);
});
