import { errorToJson } from "@connectrpc/connect/protocol-connect";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fail, failFields, quotaExceeded, REASONS, type Reason } from "../../src/core/errors.ts";
import { stampRequestId } from "../../src/server/answer.ts";
import { errorJson } from "../../src/server/error-json.ts";

const text = fc.string({ unit: "binary", maxLength: 200 });

test("the JSON of any error is that of the library, byte by byte", () => {
  const reason = fc.constantFrom(...(Object.keys(REASONS) as Reason[]));
  const ms = fc.oneof(
    fc.integer({ min: 0, max: 1e7 }),
    fc.constantFrom(0, 1, 999, 1000, 60_000, 2 ** 40),
  );
  const metadata = fc.dictionary(text, text, { noNullPrototype: true });
  fc.assert(
    fc.property(reason, text, metadata, fc.option(ms), text, (name, message, facts, wait, id) => {
      const error = fail(name, message, {
        metadata: facts,
        ...(wait !== null && { retryAfterMs: wait }),
      });
      stampRequestId(error, id);
      expect(JSON.stringify(errorJson(error))).toBe(JSON.stringify(errorToJson(error, undefined)));
    }),
    { numRuns: 2_000 },
  );
});

test("so is that of faults of fields", () => {
  const violations = fc.array(fc.record({ field: text, description: text }), { maxLength: 5 });
  fc.assert(
    fc.property(violations, text, (faults, id) => {
      const error = failFields(faults);
      stampRequestId(error, id);
      expect(JSON.stringify(errorJson(error))).toBe(JSON.stringify(errorToJson(error, undefined)));
    }),
    { numRuns: 500 },
  );
});

test("faults of fields, and errors without details, too", () => {
  const bare = fail("INTERNAL", "x");
  bare.details.length = 0;
  for (const error of [failFields([{ field: "a", description: "b" }]), bare]) {
    expect(errorJson(error)).toEqual(errorToJson(error, undefined));
  }
});

test("check 5: a refusal over a quota is made without a stack", () => {
  const error = quotaExceeded({ project: "projects/p", name: "streams", limit: 1 }, "has 1");
  expect(error.stack).not.toContain("\n    at ");
});
