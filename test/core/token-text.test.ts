import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeTokenText, readTokenText, tokenPrefix } from "../../src/core/token-text.ts";

/** What the README gives to secret scanners. */
const SCANNED = /trib_[ps][a-z][a-z0-9]{19}[0-9A-Za-z]{49}/;

describe("check 9: the text of a token", () => {
  test("has prefix, kind, uid, 256 bits of secret and a checksum, as scanners look for it", () => {
    for (const kind of ["personal", "service"] as const) {
      const token = makeTokenText(kind);
      expect(token.text).toMatch(new RegExp(`^${SCANNED.source}$`));
      expect(token.text.startsWith(tokenPrefix(kind, token.uid))).toBe(true);
      expect(readTokenText(token.text)).toEqual(token);
      expect(`x=${token.text};`).toMatch(SCANNED);
    }
  });

  test("is never the same twice, also for one uid", () => {
    const uid = makeTokenText("service").uid;
    const texts = Array.from({ length: 1_000 }, () => makeTokenText("service", uid).text);
    expect(new Set(texts).size).toBe(1_000);
    const digits = new Set(texts.flatMap((text) => text.slice(26, 69).split("")));
    expect(digits.size).toBe(62);
  });

  test("is refused when any one character differs", () => {
    const { text } = makeTokenText("service");
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom(..."ABab01_-.".split("")),
        (at, letter) => {
          fc.pre(text[at] !== letter);
          expect(readTokenText(text.slice(0, at) + letter + text.slice(at + 1))).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("no other text is one", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(readTokenText(text)).toBeUndefined();
        expect(readTokenText(`trib_s${text}`)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });
});
