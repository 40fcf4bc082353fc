import fc from "fast-check";
import { expect, test } from "vitest";
import { createFrame } from "../../src/records/live-frame.ts";
import { createLiveQueue } from "../../src/records/live-queue.ts";
import type { PlacedRecord } from "../../src/records/placed-record.ts";

/** A frame of records with these many bytes each. */
function frameAt(sequence: number, sizes: readonly number[]) {
  const records = sizes.map(
    (size, index): PlacedRecord => ({
      sequence,
      index,
      generation: 1,
      schemaVersion: 1,
      json: new Uint8Array(size),
      keyHash: undefined,
      toMessage: () => {
        throw new Error("not asked for");
      },
    }),
  );
  return createFrame(records);
}

test("a reader is given the frames in order, and exactly as many records as missed as it was not given", async () => {
  const frames = fc.array(fc.array(fc.nat({ max: 300_000 }), { minLength: 1, maxLength: 2_000 }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.nat({ max: 5 })), async (all, pulls) => {
      const queue = createLiveQueue();
      const given: number[] = [];
      let missed = 0;
      let pushed = 0;
      const pull = async () => {
        const step = await queue.next();
        missed += step?.missed ?? 0;
        given.push(...(step?.frames.map(({ lastSequence }) => lastSequence) ?? []));
        const waiting = step?.frames.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
        const isAlone = step?.frames.length === 1;
        expect(isAlone || waiting <= 4 << 20).toBe(true);
        return step !== undefined;
      };
      for (const [i, sizes] of all.entries()) {
        queue.push(frameAt(i + 1, sizes));
        pushed += sizes.length;
        if (pulls[i] === 0) await pull();
      }
      queue.end();
      while (await pull());
      expect(given).toEqual(given.toSorted((a, b) => a - b));
      const seen = given.reduce((sum, sequence) => sum + all[sequence - 1]!.length, 0);
      expect(seen + missed).toBe(pushed);
    }),
    { numRuns: 100 },
  );
});

test("a queue that ends with an error gives what waits before it fails", async () => {
  const queue = createLiveQueue();
  queue.push(frameAt(1, [10]));
  queue.end(new Error("the log is away"));
  queue.push(frameAt(2, [10]));
  expect((await queue.next())?.frames.map(({ lastSequence }) => lastSequence)).toEqual([1]);
  await expect(queue.next()).rejects.toThrow("the log is away");
});

test("who waits is offered each frame as it is, and what waits is never passed by one", async () => {
  const offers = fc.array(fc.record({ isTaken: fc.boolean(), isPulled: fc.boolean() }), {
    maxLength: 50,
  });
  await fc.assert(
    fc.asyncProperty(offers, async (all) => {
      const given: number[] = [];
      let isTaken = false;
      const queue = createLiveQueue((frame) => {
        if (isTaken) given.push(frame.lastSequence);
        return isTaken;
      });
      const pull = async () => {
        const step = await queue.next();
        given.push(...(step?.frames.map(({ lastSequence }) => lastSequence) ?? []));
        return step;
      };
      let pulling: Promise<unknown> | undefined;
      for (const [i, each] of all.entries()) {
        if (each.isPulled) {
          await new Promise((resolve) => setImmediate(resolve));
          if (given.length === i) pulling ??= pull().finally(() => (pulling = undefined));
        }
        isTaken = each.isTaken;
        queue.push(frameAt(i + 1, [10]));
      }
      queue.end();
      await pulling;
      while (await pull());
      expect(given).toEqual(all.map((_, i) => i + 1));
    }),
    { numRuns: 100 },
  );
});
