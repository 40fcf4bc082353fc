import fc from "fast-check";
import { expect, test } from "vitest";
import { createPace, SHARD_LIMITS } from "../../../src/sinks/kinesis/pace.ts";

/** A clock that only the test moves. */
function clock() {
  let timeMs = 1_000;
  return { now: () => timeMs, wait: (ms: number) => (timeMs += ms) };
}

test("E18 property: never more than the limits of a shard in any second, and 80 % of them are used", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 30 }), (bytes, delayMs) => {
      const { now, wait } = clock();
      const pace = createPace(SHARD_LIMITS, now);
      const arrived: { timeMs: number; bytes: number }[] = [];
      const underWay: { answerMs: number; bytes: number }[] = [];
      const answer = () => {
        while (underWay[0] && underWay[0].answerMs <= now()) pace.answered(underWay.shift()!.bytes);
      };
      // A record arrives some time after it was sent, and its answer as late.
      for (let n = 0; now() < 11_000; answer()) {
        const size = bytes[n % bytes.length]!;
        if (pace.take(size)) {
          arrived.push({ timeMs: now() + (n++ % 3 ? delayMs : 0), bytes: size });
          underWay.push({ answerMs: now() + 2 * delayMs, bytes: size });
        } else wait(Math.min(pace.waitMs(), 10));
      }
      arrived.sort((a, b) => a.timeMs - b.timeMs);
      let [from, sum] = [0, 0];
      arrived.forEach(({ timeMs, bytes: size }, i) => {
        sum += size;
        while (arrived[from]!.timeMs <= timeMs - 1_000) sum -= arrived[from++]!.bytes;
        expect(i - from + 1).toBeLessThanOrEqual(SHARD_LIMITS.records);
        expect(sum).toBeLessThanOrEqual(SHARD_LIMITS.bytes);
      });
      const used = arrived.reduce((total, one) => total + one.bytes, 0);
      const share = Math.max(arrived.length / SHARD_LIMITS.records, used / SHARD_LIMITS.bytes) / 10;
      expect(share).toBeGreaterThan(0.8);
    }),
    { numRuns: 10 },
  );
});

test("E18: a refusal halves the rate, once for all that was under way, and it grows by 5 % of the limit a second", () => {
  const { now, wait } = clock();
  const pace = createPace(SHARD_LIMITS, now, () => 0);
  const taken = () => {
    let count = 0;
    while (pace.take(100)) count++;
    for (let n = 0; n < count; n++) pace.answered(100);
    return count;
  };
  expect(taken()).toBe(980);
  pace.refuse(1);
  pace.refuse(2);
  expect(pace.share()).toBe(0.5);
  wait(2_000);
  expect(pace.share()).toBeCloseTo(0.6);
  expect(taken()).toBe(588);
  wait(20_000);
  expect(taken()).toBe(980);
});

test("a record that is larger than a second's bytes goes alone", () => {
  const { now, wait } = clock();
  const pace = createPace(SHARD_LIMITS, now);
  expect(pace.take(1_048_576)).toBe(true);
  expect(pace.take(1)).toBe(false);
  pace.answered(1_048_576);
  expect(pace.take(1)).toBe(false);
  wait(pace.waitMs());
  expect(pace.take(1)).toBe(true);
});
