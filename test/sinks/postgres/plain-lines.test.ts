import fc from "fast-check";
import { expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import type { Column } from "../../../src/sinks/postgres/columns.ts";
import { createRowEncoder, encodeRows } from "../../../src/sinks/postgres/encode.ts";
import { createPlainLines } from "../../../src/sinks/postgres/plain-lines.ts";
import { rowsOf } from "../sample.ts";

const column = (name: string, type: Field_Type, source: Column["source"] = "field"): Column => ({
  ...{ name, source, type, sqlType: "text", isNullable: true, isStored: true },
});
const COLUMNS = [
  column("s", Field_Type.STRING),
  column("é", Field_Type.LONG),
  column("id", Field_Type.STRING, "record_id"),
  column("double", Field_Type.DOUBLE),
  column("b", Field_Type.BOOLEAN),
  column("t", Field_Type.TIMESTAMP),
];

/** The line that is written directly; undefined for a record that is left to the other way. */
function plainLine(json: string, number = -1): string | undefined {
  const [row] = rowsOf([json]);
  const lines = createPlainLines(COLUMNS)!;
  const out = Buffer.alloc(lines.roomOf(row!.json.length) + 3, 0x7e);
  const end = lines.write(row!, out, { at: 3, number });
  return end < 0 ? undefined : out.toString("utf8", 3, end);
}

const text = fc.string({ unit: fc.constantFrom("a", "é", "😀", "\\", '"', "\n", "\t", "{", ",") });
const number = fc.oneof(
  fc.constantFrom(
    "0",
    "-1",
    "1.5",
    "1e3",
    "9007199254740993",
    "-0.0",
    "1E-400",
    "0.1234567890123456789012345",
  ),
  fc.integer().map(String),
);
const value = fc.oneof(
  text.map((each) => JSON.stringify(each)),
  text.map((each) => JSON.stringify(each).replaceAll("a", "\\u0061").replaceAll("{", "\\/")),
  number,
  fc.constantFrom("true", "false", "null", "{}", "[1,{}]"),
);
const name = fc.constantFrom("s", "é", "double", "b", "t", "other", "\\u0073");
const space = fc.constantFrom("", " ", "\n\t");
const records = fc
  .array(fc.tuple(space, name, space, value, space), { maxLength: 8 })
  .map((members) => {
    const texts = members.map(([a, key, b, json, c]) => `${a}"${key}"${b}:${a}${json}${c}`);
    return `{${texts.join(",")}}`;
  });

test("a line is written directly as it is from text, or left to that", () => {
  let direct = 0;
  fc.assert(
    fc.property(records, (json) => {
      const line = plainLine(json);
      if (line === undefined) return;
      direct += 1;
      const [row] = rowsOf([json]);
      expect({ line, fault: undefined }).toEqual(createRowEncoder(COLUMNS)(row!));
    }),
    { numRuns: 2000 },
  );
  expect(direct).toBeGreaterThan(100);
});

test("usual records are written directly", () => {
  expect(
    plainLine('{"s":"a\\n\\"b","é":-12,"double":1.50,"b":true,"t":"2026-01-01T00:00:00Z"}'),
  ).toBe(`a\\n\\"b\t-12\t${rowsOf(["{}"])[0]!.recordId}\t1.50\ttrue\t2026-01-01T00:00:00Z\n`);
  expect(plainLine('{ "t" : null , "s":""}', 7)).toBe(
    `7\t\t\\N\t${rowsOf(["{}"])[0]!.recordId}\t\\N\t\\N\t\\N\n`,
  );
});

test("columns that are never plain are left to text", () => {
  for (const type of [Field_Type.BINARY, Field_Type.JSON]) {
    expect(createPlainLines([column("x", type)])).toBeUndefined();
  }
});

test("rows of both ways are sent in order, in pieces, with their numbers", async () => {
  const texts = Array.from({ length: 5_000 }, (_, i) =>
    i % 3 === 0 ? `{"s":"\\u00e9${i}"}` : `{"s":"é${i}${"x".repeat(i % 500)}"}`,
  );
  texts[100] = '{"s":"\\u0000"}';
  texts[101] = `{"s":"${"y".repeat(300_000)}"}`;
  const pieces: Buffer[] = [];
  const columns = [column("s", Field_Type.STRING)];
  const rows = rowsOf(texts);
  const { good, bad } = await encodeRows({ columns, rows, isNumbered: true }, (piece) => {
    pieces.push(Buffer.from(piece));
  });
  const wanted = texts.flatMap((json, i) =>
    i === 100 ? [] : [`${i}\t${(JSON.parse(json) as { s: string }).s}\n`],
  );
  expect(Buffer.concat(pieces).toString()).toBe(wanted.join(""));
  expect(good).toHaveLength(4_999);
  expect(bad).toMatchObject([{ index: 100, reason: "VALUE_REFUSED" }]);
});
