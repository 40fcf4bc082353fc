import fc from "fast-check";
import { expect, test } from "vitest";
import type { ParkedKey } from "../../src/delivery/lane-state.ts";
import { packKeys, unpackKeys } from "../../src/delivery/packed-keys.ts";

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
      const packed = packKeys(parked);
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
