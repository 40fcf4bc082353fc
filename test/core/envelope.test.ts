import { createCipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createLocalKeys,
  masterKeyId,
  openSecret,
  rewrapSecret,
  sealSecret,
} from "../../src/core/envelope.ts";

const masterKey = randomBytes(32);

test("check 12: what is sealed opens with the same key and context, and is never the same twice", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (plain, context) => {
      const sealed = sealSecret(masterKey, plain, context);
      expect([...openSecret(masterKey, sealed, context)]).toEqual([...plain]);
      expect(sealSecret(masterKey, plain, context).equals(sealed)).toBe(false);
    }),
  );
});

test("check 12: a moved, changed or cut value does not open", () => {
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

test("check 12: rotation wraps the data key anew and leaves the ciphertext as it is", () => {
  const newKey = randomBytes(32);
  const sealed = sealSecret(masterKey, Buffer.from("secret"), "sinks/a");
  const both = createLocalKeys(() => [newKey, masterKey]);
  expect(openSecret(both, sealed, "sinks/a").toString()).toBe("secret");
  const rewrapped = rewrapSecret(both, sealed);
  expect(rewrapped.subarray(1, 5).equals(masterKeyId(newKey))).toBe(true);
  const cipherBytes = 12 + "secret".length + 16;
  expect(rewrapped.subarray(-cipherBytes).equals(sealed.subarray(-cipherBytes))).toBe(true);
  expect(openSecret(newKey, rewrapped, "sinks/a").toString()).toBe("secret");
  expect(() => openSecret(masterKey, rewrapped, "sinks/a")).toThrow("another master key");
  expect(() => openSecret(newKey, rewrapped, "sinks/b")).toThrow("changed or moved");
});

test("check 12: each value has a data key of its own", () => {
  const wrapped = (sealed: Buffer) => sealed.subarray(7, 7 + 60).toString("hex");
  const values = Array.from({ length: 50 }, () => sealSecret(masterKey, Buffer.from("x"), "c"));
  expect(new Set(values.map(wrapped)).size).toBe(50);
});

test("check 12: values of format 1 open, also after a rotation", () => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", masterKey, nonce).setAAD(Buffer.from("c"));
  const old = Buffer.concat([
    Buffer.from([1]),
    masterKeyId(masterKey),
    nonce,
    cipher.update("secret"),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  expect(openSecret(masterKey, old, "c").toString()).toBe("secret");
  const newKey = randomBytes(32);
  const rewrapped = rewrapSecret(
    createLocalKeys(() => [newKey, masterKey]),
    old,
  );
  expect(openSecret(newKey, rewrapped, "c").toString()).toBe("secret");
});

test("check 12: a running process finds the key of a rotation", () => {
  const newKey = randomBytes(32);
  let keys = [masterKey];
  const provider = createLocalKeys(() => keys);
  keys = [newKey, masterKey];
  const sealed = sealSecret(newKey, Buffer.from("secret"), "c");
  expect(openSecret(provider, sealed, "c").toString()).toBe("secret");
  expect(sealSecret(provider, Buffer.from("x"), "c").subarray(1, 5)).toEqual(masterKeyId(newKey));
});
