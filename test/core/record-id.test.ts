import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeOfRecordId, recordId } from "../../src/core/record-id.ts";

const logUid = "k3v9q2x7m1p8s4t6w0za";

describe("record ids", () => {
  test("an id leads back to its place and time, for any place", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.nat({ max: 2 ** 20 - 1 }),
        fc.nat({ max: 2 ** 48 - 1 }),
        (sequence, index, arrivalTimeMs) => {
          const id = recordId(logUid, { sequence, index }, arrivalTimeMs);
          expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
          expect(id[14]).toBe("7");
          expect("89ab").toContain(id[19]);
          expect(placeOfRecordId(logUid, id)).toEqual({ sequence, index, arrivalTimeMs });
        },
      ),
      { numRuns: 5000 },
    );
  });

  test("ids of many places at one time all differ, and differ between logs", () => {
    const ids = new Set<string>();
    for (let sequence = 1; sequence <= 200; sequence++) {
      for (let index = 0; index < 100; index++) {
        ids.add(recordId(logUid, { sequence, index }, 1767225600000));
        ids.add(recordId("another", { sequence, index }, 1767225600000));
      }
    }
    expect(ids.size).toBe(40_000);
  });

  test("the same record always has the same id", () => {
    expect(recordId(logUid, { sequence: 42, index: 7 }, 1767225600123)).toBe(
      "019b76da-a87b-7b79-bb62-26b9455a2b86",
    );
  });

  test("refuses what is no id of ours, and numbers out of range", () => {
    expect(placeOfRecordId(logUid, "not an id")).toBeUndefined();
    expect(placeOfRecordId(logUid, "019b76da-a87b-48ef-9537-25b2c69beacb")).toBeUndefined();
    expect(() => recordId(logUid, { sequence: 1, index: 2 ** 20 }, 0)).toThrow(RangeError);
    expect(() => recordId(logUid, { sequence: 2 ** 53, index: 0 }, 0)).toThrow(RangeError);
    expect(() => recordId(logUid, { sequence: 1, index: 0 }, -1)).toThrow(RangeError);
  });
});
