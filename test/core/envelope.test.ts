import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openSecret, sealSecret } from "../../src/core/envelope.ts";

const masterKey = randomBytes(32);

test("item 12: what is sealed opens with the same key and context, and is never the same twice", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (plain, context) => {
      const sealed = sealSecret(masterKey, plain, context);
      expect([...openSecret(masterKey, sealed, context)]).toEqual([...plain]);
      expect(sealSecret(masterKey, plain, context).equals(sealed)).toBe(false);
    }),
  );
});

test("item 12: a moved, changed or cut value does not open", () => {
  const sealed = sealSecret(masterKey, Buffer.from("secret"), "sinks/a");
  expect(() => openSecret(masterKey, sealed, "sinks/b")).toThrow("changed or moved");
  expect(() => openSecret(randomBytes(32), sealed, "sinks/a")).toThrow("another master key");
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 1;
    expect(() => openSecret(masterKey, changed, "sinks/a")).toThrow();
    expect(() => openSecret(masterKey, sealed.subarray(0, at), "sinks/a")).toThrow();
  }
});
