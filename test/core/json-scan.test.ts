import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failJson, JsonFault, positionOf, requireUtf8 } from "../../src/core/json-fault.ts";
import { peekSpaced, scanValue } from "../../src/core/json-scan.ts";

/** The fault of a whole text, or undefined when it is good. */
function faultOf(input: string | Uint8Array): JsonFault | undefined {
  const bytes = typeof input === "string" ? Buffer.from(input) : input;
  try {
    requireUtf8(bytes);
    const s = { bytes, at: 0, end: bytes.length };
    scanValue(s, 1);
    if (peekSpaced(s) !== -1) throw new JsonFault(s.at, "trailing");
    return undefined;
  } catch (error) {
    if (error instanceof JsonFault) return error;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Rules that JSON.parse does not have: found by a parse that keeps names and strings. */
function isStricter(text: string): boolean {
  return /twice|surrogate|levels|names/.test(faultOf(text)?.message ?? "");
}

describe("JSON scanner", () => {
  test("takes what JSON.stringify gives", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => faultOf(text) === undefined),
      {
        numRuns: 2000,
      },
    );
  });

  test("takes and refuses mutated JSON as JSON.parse does, but for its stricter rules", () => {
    const piece = fc.constantFrom(
      ...'{}[],:"\\0123456789-+.eE truefalsn\n\t\u0001é\u{1f600}/ubAF'.split(""),
      "\\u12",
      "\\ud83d\\ude00",
      "null",
      "1e5",
      "01",
      '"a":',
    );
    const mutated = fc
      .tuple(fc.json({ maxDepth: 3 }), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2 }), piece)))
      .map(([text, edits]) => {
        let out = text;
        for (const [where, cut, insert] of edits.slice(0, 4)) {
          const at = where % (out.length + 1);
          out = out.slice(0, at) + insert + out.slice(at + cut);
        }
        return out.toWellFormed();
      });
    fc.assert(
      fc.property(mutated, (text) => {
        const isGood = faultOf(text) === undefined;
        if (isGood) expect(parses(text)).toBe(true);
        else if (parses(text)) expect(isStricter(text)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  test("finds equal names exactly when an object has them, small or large, escaped or not", () => {
    const name = fc.constantFrom("a", "b", "ab", "", "é", "__proto__", "1", "x".repeat(30));
    const object = fc.array(fc.tuple(fc.oneof(name, fc.string()), fc.boolean()), { maxLength: 24 });
    fc.assert(
      fc.property(object, (members) => {
        const body = members.map(([key, escaped]) => {
          const quoted = escaped
            ? `"${[...key].map((c) => c.split("").map(unit).join("")).join("")}"`
            : JSON.stringify(key);
          return `${quoted}:1`;
        });
        const isUnique = new Set(members.map(([key]) => key)).size === members.length;
        expect(faultOf(`{${body.join(",")}}`) === undefined).toBe(isUnique);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["A1 an empty body", "", 0],
    ["A2 a bare word", "hello", 0],
    ["A3 a cut text", '{"a":[1,2', 9],
    ["A5 two documents", "{} {}", 3],
    ["B9 half a surrogate pair", '"\\ud800"', 1],
    ["B9 a low half first", '"\\udc00x"', 1],
    ["C13 an equal name", '{"a":1,"a":2}', 7],
    ["C14 an equal nested name", '{"x":{"a":1,"\\u0061":2}}', 12],
    ["D26 NaN", "NaN", 0],
    ["D26 +1", "+1", 0],
    ["D26 01", "01", 0],
    ["D26 0x10", "0x10", 1],
    ["D26 1.", "1.", 2],
    ["D26 .5", ".5", 0],
    ["D26 -", "-", 1],
    ["D26 1e", "1e", 2],
    ["a control character in a string", '"a\nb"', 2],
    ["a trailing comma", "[1,]", 3],
    ["an unknown escape", '"\\x41"', 1],
    ["a cut escape", '"\\u00', 5],
  ])("%s is refused at its place", (_, text, offset) => {
    expect(faultOf(text)?.offset).toBe(offset);
  });

  test.each([
    ["B6 FF FE", [0x22, 0xff, 0xfe, 0x22], 1],
    ["B7 an overlong form", [0x22, 0x61, 0xc0, 0xaf, 0x22], 2],
    ["B8 a CESU surrogate", [0x22, 0xed, 0xa0, 0x80, 0x22], 1],
    ["a cut character", [0x22, 0xe2, 0x82], 1],
  ])("%s is refused as no UTF-8, at its place", (_, bytes, offset) => {
    const fault = faultOf(Uint8Array.from(bytes));
    expect(fault?.message).toContain("UTF-8");
    expect(fault?.offset).toBe(offset);
  });

  test("C15 C16 __proto__, constructor and toString are names like others", () => {
    expect(faultOf('{"__proto__":{"constructor":{"prototype":1}},"toString":2}')).toBeUndefined();
  });

  test("E28 64 levels are taken, 65 refused", () => {
    expect(faultOf("[".repeat(64) + "]".repeat(64))).toBeUndefined();
    expect(faultOf("[".repeat(65) + "]".repeat(65))?.message).toContain("64 levels");
    expect(faultOf(`${'{"a":'.repeat(63)}[]${"}".repeat(63)}`)).toBeUndefined();
    expect(faultOf(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`)?.message).toContain("64 levels");
  });

  test("E30 E31 E33 hostile depth and a million names are refused within 200 ms", () => {
    const names = `{${Array.from({ length: 1_000_000 }, (_, i) => `"${i}":0`).join(",")}}`;
    const texts = ["[".repeat(100_000), '{"a":'.repeat(100_000), names].map((t) => Buffer.from(t));
    const begin = performance.now();
    for (const text of texts) expect(faultOf(text)).toBeDefined();
    expect(performance.now() - begin).toBeLessThan(200);
  });

  test("F21: an error names byte, line and column, and echoes no more than 100 bytes", () => {
    const long = "x".repeat(5000);
    const bytes = Buffer.from(`{\n "${long}":1,\n "${long}":2}`);
    const fault = faultOf(bytes);
    expect(positionOf(bytes, fault!.offset)).toEqual({ line: 3, column: 2 });
    const { message } = failJson(fault!, bytes);
    expect(message).toContain("line 3, column 2");
    expect(message.length).toBeLessThan(250);
    expect(message).not.toContain("x".repeat(101));
  });
});

function unit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
