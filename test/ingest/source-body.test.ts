import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import { findScalar } from "../../src/core/json-find.ts";
import { parsedPath, valueAt } from "../../src/core/json-path.ts";
import { readRequest } from "../../src/ingest/request-record.ts";
import { readSourceBody } from "../../src/ingest/source-body.ts";
import { settlesWithinMs } from "../support/case-time.ts";
import { field, streamOf } from "./memory-log.ts";

const SEED = 20_261_122;
const stream = streamOf({
  fields: [
    field("s", Field_Type.STRING),
    field("n", Field_Type.LONG, { nullable: true }),
    field("j", Field_Type.JSON, { nullable: true }),
  ],
  keyFields: ["s"],
  partitions: 4,
});

async function read(body: string | Uint8Array, canSetApart = false, idPath = "") {
  const bytes = Buffer.from(body as string);
  const found = await readSourceBody(bytes, { stream, canSetApart, idPath: parsedPath(idPath) });
  const { records, refused } = found;
  const taken = records
    ? Array.from({ length: records.spans.length / 2 }, (_, i) =>
        Buffer.from(
          records.bytes.subarray(records.spans[i * 2]!, records.spans[i * 2 + 1]!),
        ).toString(),
      )
    : [];
  return { taken, refused, ids: records?.ids ?? [], records };
}

const record = fc.record({
  s: fc.string({ unit: "grapheme" }),
  n: fc.option(fc.integer()),
  j: fc.jsonValue({ maxDepth: 3 }),
});
const spaces = fc.stringMatching(/^[ \t]{0,2}$/);

describe("B14: bodies of sources", () => {
  test("the same records come out of every form, byte for byte", async () => {
    const forms = fc.constantFrom("array", "lines", "commas", "wrapped", "wrapped lines");
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { minLength: 1, maxLength: 8 }),
        forms,
        spaces,
        async (list, form, space) => {
          const texts = list.map((value) => JSON.stringify(value).replace(/^\{/, `{${space}`));
          const wrapped = texts.map((text) => `{"value":${space}${text}}`);
          const body = {
            array: `${space}[${texts.join(`${space},`)}]\n`,
            lines: texts.join(`${space}\n`),
            commas: texts.join(`,\n${space}`),
            wrapped: `[${wrapped.join(",")}]`,
            "wrapped lines": `${wrapped.join("\r\n")}\n`,
          }[form];
          const strict = await read(body);
          const lenient = await read(body, true);
          expect(strict.taken).toEqual(texts);
          expect(lenient.taken).toEqual(texts);
          expect(lenient.records?.hashes).toEqual(strict.records?.hashes);
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("quarantine: each bad line is kept with its reason, and every good one is taken", async () => {
    const bad = fc.constantFrom(
      '{"s":1}',
      '{"s":',
      "{",
      '{"s":"x","more":1}',
      '{"s":"x"',
      '{"n":1}',
      '{"s":"a"}}',
    );
    const line = fc.oneof(
      { weight: 3, arbitrary: record.map((r) => ({ text: JSON.stringify(r), isGood: true })) },
      { weight: 1, arbitrary: bad.map((text) => ({ text, isGood: false })) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), async (lines) => {
        const body = lines.map(({ text }) => text).join("\n");
        const { taken, refused, records } = await read(body, true);
        expect(taken).toEqual(lines.filter((l) => l.isGood).map((l) => l.text));
        expect(
          refused.map((r) => Buffer.from(r.content).toString().trim()).filter((t) => t !== "}"),
        ).toEqual(lines.filter((l) => !l.isGood).map((l) => l.text.replace("}}", "}}")));
        expect(records?.hashes.length ?? 0).toBe(taken.length);
        for (const r of refused) expect(r.error).not.toBe("");
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("hostile bodies never crash it: taken whole, or refused with a reason", async () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          '"',
          "\\",
          "\n",
          "null",
          '"s"',
          '"value"',
          '"id"',
          "1e9",
          "\ufeff",
          " ",
        ),
        record.map((r) => JSON.stringify(r)),
        fc.string({ unit: "binary" }),
      ),
      { maxLength: 14 },
    );
    const bodies = fc.oneof(
      pieces.map((list) => Buffer.from(list.join(""))),
      fc.uint8Array({ maxLength: 40 }),
    );
    const known = ["INVALID_JSON", "RECORD_INVALID", "INVALID_FIELDS"];
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.boolean(),
        fc.constantFrom("", "s", 'j[0]["x"]'),
        (body, apart, path) =>
          settlesWithinMs(50, async () => {
            try {
              const { taken, refused, ids } = await read(body, apart, path);
              if (!apart) expect(refused).toEqual([]);
              expect(taken.length + refused.length).toBeGreaterThan(0);
              for (const text of taken) expect(JSON.parse(text)).toBeTypeOf("object");
              if (path !== "" && taken.length > 0) expect(ids).toHaveLength(taken.length);
            } catch (error) {
              expect(known).toContain(reasonOf(error));
              // What cannot be read is kept, so only an empty body is refused.
              if (apart)
                expect(
                  Buffer.from(body)
                    .toString()
                    .replace(/^\ufeff/, "")
                    .trim(),
                ).toMatch(/^(\[\s*\][\s\S]*)?$/);
            }
          }),
      ),
      { seed: SEED, numRuns: 100_000 },
    );
  }, 120_000);

  test("a record with more faults than are listed, or too large to keep, is told apart", async () => {
    const many = JSON.stringify(
      Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x${i}`, 1])),
    );
    const { refused, taken } = await read(`${many}\n{"s":"a"}`, true);
    expect([refused.length, taken]).toEqual([1, ['{"s":"a"}']]);
    const large = `{"s":${"1".repeat(950 * 1024)}}`;
    const larger = `{"s":"${"x".repeat(1100 * 1024)}"}`;
    for (const body of [large, larger]) {
      const reason = await read(body, true).catch(reasonOf);
      expect(reason).toBe("TOO_LARGE");
    }
  });

  test("ids come from the path, or from the wrapping", async () => {
    const body = '[{"value":{"s":"a"},"id":"1"},{"id":"2","value":{"s":"b"}},{"s":"c"}]';
    expect((await read(body)).ids).toEqual(["1", "2", ""]);
    const paths = '{"s":"a","j":{"x":[{"y":12345678901234567890}]}}';
    expect((await read(paths, false, "j.x[0].y")).ids).toEqual(["12345678901234567890"]);
    const { refused } = await read(
      `{"s":"a"}\n{"s":"b","j":{"x":[]}}\n{"s":"${"é".repeat(200)}"}`,
      true,
      "s",
    );
    expect(refused.map((r) => r.error)).toEqual([expect.stringContaining("longer than 256 bytes")]);
  });
});

test("a value is found at a path as in the parsed JSON", () => {
  const keys = fc.constantFrom("a", "b", "a.b", "");
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom("x", "é\n", true, false, null, 12),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  const steps = fc.array(fc.oneof(keys, fc.nat(2)), { maxLength: 4 });
  fc.assert(
    fc.property(json, steps, fc.boolean(), (value, path, isSpaced) => {
      const bytes = Buffer.from(JSON.stringify(value, null, isSpaced ? 1 : 0));
      const wanted = valueAt(value, path);
      const isScalar = wanted !== undefined && wanted !== null && typeof wanted !== "object";
      const found = findScalar(bytes, { start: 0, end: bytes.length }, path);
      expect(found).toBe(isScalar ? String(wanted) : undefined);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

test("F03: any request becomes a record that its preset takes", () => {
  const facts = {
    method: "POST",
    path: "/in/x",
    query: "",
    address: "::1",
    timeMs: 0,
    contentType: "",
  };
  const header = fc.record({
    name: fc.stringMatching(/^[a-z_-]{1,20}$/),
    value: fc.string({ unit: "binary" }),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.json().map((text) => Buffer.from(text)),
        fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
      ),
      fc.array(header, { maxLength: 4 }),
      (body, headers) => {
        const { bytes } = readRequest({ ...facts, headers }, body);
        const made = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
        const kept = ["body", "body_text", "body_base64"].filter((name) => name in made);
        expect(kept).toHaveLength(body.length > 0 ? 1 : 0);
        if (made.body_base64) {
          expect(Buffer.from(made.body_base64 as string, "base64")).toEqual(Buffer.from(body));
        } else if (made.body_text !== undefined) {
          expect(Buffer.from(made.body_text as string)).toEqual(Buffer.from(body));
        }
      },
    ),
    { seed: SEED, numRuns: 2_000 },
  );
});
