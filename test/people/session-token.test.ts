import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSessionTokens } from "../../src/people/session-token.ts";

const tokens = createSessionTokens(randomBytes(32));

test("a session is known without a look-up as one of this installation", () => {
  const token = tokens.make();
  expect(tokens.isOurs(token)).toBe(true);
  expect(createSessionTokens(randomBytes(32)).isOurs(token)).toBe(false);
});

test("no text that was not made here is taken for a session", () => {
  fc.assert(fc.property(fc.string({ maxLength: 100 }), (text) => !tokens.isOurs(text)));
  fc.assert(
    fc.property(fc.nat(65), fc.constantFrom(..."aZ0-_.~ "), (at, letter) => {
      const token = tokens.make();
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      // The last letter of each part has bits to spare, which say nothing.
      return changed === token || at === 42 || at === 65 || !tokens.isOurs(changed);
    }),
  );
});
