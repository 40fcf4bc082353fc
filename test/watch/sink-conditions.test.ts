import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Alert_Kind } from "#gen/tributary/management/v1/alert_pb.js";
import { LossClock_Limit, Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import { type LossFacts, lossClock } from "../../src/delivery/loss-clock.ts";
import { conditionsOf } from "../../src/watch/sink-conditions.ts";

const HOUR_MS = 3_600_000;
const nowMs = Date.parse("2026-07-01T00:00:00Z");
const facts: LossFacts = {
  retentionAgeMs: 24 * HOUR_MS,
  retentionBytes: 1_000_000,
  oldestMs: nowMs - HOUR_MS,
  neededFrom: 11,
  pending: 5,
  info: { firstSequence: 1, lastSequence: 20, bytes: 2_000 },
  nowMs,
};
const msOf = (clock: ReturnType<typeof lossClock>) => Number(clock!.time!.seconds) * 1_000;

test("N16: the clock shows the age limit when pushes are slow", () => {
  const clock = lossClock(facts);
  expect(clock?.limit).toBe(LossClock_Limit.AGE);
  expect(msOf(clock)).toBe(nowMs + 23 * HOUR_MS);
});

test("N16: the clock shows the byte limit when pushes fill it first: half the log came within the hour", () => {
  const clock = lossClock({ ...facts, info: { ...facts.info, bytes: 400_000 } });
  expect(clock?.limit).toBe(LossClock_Limit.BYTES);
  expect(msOf(clock)).toBe(nowMs + 4 * HOUR_MS);
});

test("what is missing of the log is told, also of a sink that delivers, and no error says that all is kept", () => {
  const limits = { nowMs, warningMs: 0 };
  const logLosses = [{ message: "3 stored batches are missing" }, { message: "older" }];
  expect(conditionsOf({ state: Sink_State.RUNNING, logLosses }, limits)).toEqual([
    {
      kind: Alert_Kind.MISSING,
      reason: "RECORDS_MISSING",
      message: "3 stored batches are missing",
    },
  ]);
  const status = { state: Sink_State.ERROR, reason: "LOG_TRIMMED", cause: "records are missing" };
  const [error] = conditionsOf(status, limits);
  expect(error).toMatchObject({ kind: Alert_Kind.ERROR, reason: "LOG_TRIMMED" });
  expect(error?.message).toBe("delivery stands still, for records are missing");
});

test("N16: with an archive that takes the records only its own age is in sight, and none where it keeps all", () => {
  const clock = lossClock({ ...facts, archiveAgeMs: 72 * HOUR_MS });
  expect(clock?.limit).toBe(LossClock_Limit.ARCHIVE_AGE);
  expect(msOf(clock)).toBe(nowMs + 71 * HOUR_MS);
  const message = conditionsOf({ loss: clock! }, { nowMs, warningMs: 100 * HOUR_MS })[0]?.message;
  expect(message).toContain("the retention age of the archive of the stream");
  expect(lossClock({ ...facts, archiveAgeMs: HOUR_MS })?.limit).toBe(LossClock_Limit.AGE);
  expect(lossClock({ ...facts, archiveAgeMs: Number.POSITIVE_INFINITY })).toBeUndefined();
});

test("N16: the clock is never before now and never after the age limit, whatever the figures", () => {
  const size = fc.integer({ min: 0, max: 2 ** 40 });
  fc.assert(
    fc.property(size, size, size, fc.integer({ min: 0, max: 48 }), (bytes, max, last, hours) => {
      const oldestMs = nowMs - hours * HOUR_MS;
      const info = { firstSequence: 1, lastSequence: last, bytes };
      const clock = lossClock({ ...facts, info, retentionBytes: max, oldestMs });
      expect(msOf(clock)).toBeGreaterThanOrEqual(nowMs);
      expect(msOf(clock)).toBeLessThanOrEqual(Math.max(nowMs, oldestMs + 24 * HOUR_MS));
    }),
  );
});

test("N16: a loss is told only when it is near", () => {
  const status = { state: Sink_State.PAUSED, loss: { time: timestampFromMs(nowMs + 10_000) } };
  const kinds = (warningMs: number) =>
    conditionsOf(status, { nowMs, warningMs }).map(({ kind }) => kind);
  expect(kinds(9_000)).toEqual([]);
  expect(kinds(10_000)).toEqual([Alert_Kind.LOSS]);
});

test("B07: what is told names cause and reason", () => {
  const status = {
    state: Sink_State.ERROR,
    reason: "HTTP_503",
    cause: "the endpoint answered 503",
    counts: { held: 1n },
    lag: durationFromMs(1),
  };
  expect(conditionsOf(status, { nowMs, warningMs: 0 })).toMatchObject(
    [
      { kind: Alert_Kind.ERROR, reason: "HTTP_503", message: /answered 503/ },
      { kind: Alert_Kind.HELD, message: /^1 record could not be delivered and is held/ },
    ].map(({ message, ...rest }) => ({ ...rest, message: expect.stringMatching(message) })),
  );
});

test("B11: a sink that is later than its owner allows is told, with the cause; one that they paused is not", () => {
  const status = {
    state: Sink_State.RUNNING,
    lag: durationFromMs(90_000),
    counts: { pending: 7n },
  };
  const told = (lagMs?: number, change = {}) =>
    conditionsOf({ ...status, ...change }, { nowMs, warningMs: 0, lagMs });
  expect(told(60_000)).toMatchObject([{ kind: Alert_Kind.LAG, reason: "LAG_EXCEEDED" }]);
  expect(told(60_000)[0]?.message).toContain(
    "7 records wait, the oldest for 90 s; 60 s are allowed.",
  );
  expect(told(60_000, { cause: "HTTP 503" })[0]?.message).toContain("The cause: HTTP 503.");
  expect(told(90_001)).toEqual([]);
  expect(told()).toEqual([]);
  expect(told(60_000, { state: Sink_State.PAUSED })).toEqual([]);
});
