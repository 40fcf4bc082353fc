import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSigningKeyStore } from "../../src/auth/signing-key-store.ts";
import { openSigningKeys, type SigningKeys } from "../../src/auth/signing-keys.ts";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { silent } from "./support/auth-server.ts";

const opened: { close(): unknown }[] = [];
const HOUR_MS = 3_600_000;

async function openEmpty(): Promise<Database> {
  const database = openDatabase({ url: await createTestDatabase(), logger: silent });
  opened.push(database);
  await migrate(database, silent);
  return database;
}

async function open(
  database: Database,
  masterKey: Uint8Array,
  now = Date.now,
  rotateAfterMs?: number,
) {
  const store = createSigningKeyStore(database);
  const keys = await openSigningKeys({ store, masterKey, logger: silent, now, rotateAfterMs });
  opened.unshift(keys);
  return keys;
}

const kidsOf = (keys: SigningKeys) => keys.publicKeys().map((key) => key.kid);

let database: Database;
const masterKey = randomBytes(32);
beforeAll(async () => {
  database = await openEmpty();
});
afterAll(async () => {
  for (const one of opened) await one.close();
});

test("nodes that start at once end with one key, which survives restarts", async () => {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => open(database, masterKey)));
  const kids = new Set(nodes.flatMap(kidsOf));
  expect(kids.size).toBe(1);
  const restarted = await open(database, masterKey);
  expect(restarted.signer().kid).toBe([...kids][0]);
});

test("the private part is not in the database, and another master key does not open it", async () => {
  const keys = await open(database, masterKey);
  const d = keys.signer().privateKey.export({ format: "jwk" }).d!;
  const [row] = await database.sql`SELECT * FROM tributary.signing_keys`;
  expect(JSON.stringify(row!.public_jwk)).not.toContain('"d"');
  const sealed: Buffer = row!.sealed_private_key;
  expect(sealed.includes(Buffer.from(d, "base64url"))).toBe(false);
  await expect(open(database, randomBytes(32))).rejects.toThrow("another master key");
});

test("check 13: a rotated key is published an hour before it signs and kept an hour after", async () => {
  const fresh = await openEmpty();
  let offset = 0;
  const now = () => Date.now() + offset;
  const keys = await open(fresh, masterKey, now);
  const old = keys.signer().kid;
  await keys.rotate();
  expect(kidsOf(keys)).toHaveLength(2);
  const next = kidsOf(keys).find((kid) => kid !== old);
  expect(keys.signer().kid).toBe(old);
  offset = HOUR_MS + 1_000;
  expect(keys.signer().kid).toBe(next);
  const other = await open(fresh, masterKey, now);
  expect(other.signer().kid).toBe(next);
  expect(other.verifier(old)).toBeDefined();
  offset = 2 * HOUR_MS + 2_000;
  await keys.refresh();
  expect(kidsOf(keys)).toEqual([next]);
  expect(keys.verifier(old)).toBeUndefined();
});

test("check 13: a key of age gets one successor, however many nodes look", async () => {
  const fresh = await openEmpty();
  let offset = 0;
  const now = () => Date.now() + offset;
  const day = 24 * HOUR_MS;
  const nodes = await Promise.all([1, 2, 3].map(() => open(fresh, masterKey, now, 90 * day)));
  const [first] = kidsOf(nodes[0]!);
  offset = 89 * day;
  await Promise.all(nodes.map((keys) => keys.refresh()));
  expect(new Set(nodes.flatMap(kidsOf))).toEqual(new Set([first]));
  offset = 90 * day + 60_000;
  await Promise.all(nodes.map((keys) => keys.refresh()));
  await Promise.all(nodes.map((keys) => keys.refresh()));
  const kids = new Set(nodes.flatMap(kidsOf));
  expect(kids.size).toBe(2);
  for (const keys of nodes) expect(keys.signer().kid).toBe(first);
  offset += HOUR_MS;
  for (const keys of nodes) expect(keys.signer().kid).not.toBe(first);
});
