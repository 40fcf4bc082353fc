import { afterAll, beforeAll, expect, test } from "vitest";
import { createUsedProofs, type Proof } from "../../src/auth/used-proofs.ts";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { silent } from "./support/auth-server.ts";

let database: Database;
let url: string;

beforeAll(async () => {
  url = await createTestDatabase();
  database = openDatabase({ url, logger: silent });
  await migrate(database, silent);
});
afterAll(() => database?.close());

const proof = (jti: string): Proof => ({ owner: "app", jti, endMs: Date.now() + 60_000 });

test("check 22: of 2,000 uses at once on two nodes, each proof three times on each, one of each counts", async () => {
  const nodes = [createUsedProofs(database), createUsedProofs(database)];
  const jtis = Array.from({ length: 333 }, (_, i) => `jti ${i}`);
  const uses = nodes.flatMap((use, node) =>
    [0, 1, 2].flatMap((turn) =>
      // Nodes meet them in different orders.
      (node === turn % 2 ? jtis : jtis.toReversed()).map((jti) => ({ jti, use })),
    ),
  );
  const counted = new Map<string, number>();
  await Promise.all(
    uses.map(async ({ jti, use }) => {
      if (await use(proof(jti))) counted.set(jti, (counted.get(jti) ?? 0) + 1);
    }),
  );
  expect(counted.size).toBe(jtis.length);
  expect([...counted.values()].every((uses) => uses === 1)).toBe(true);
  const restarted = createUsedProofs(database);
  expect(await restarted(proof("jti 0"))).toBe(false);
});

test("check 22: when the database is away every use that waits fails, and later ones count again", async () => {
  const away = openDatabase({ url, logger: silent });
  const use = createUsedProofs(away);
  expect(await use(proof("before"))).toBe(true);
  await away.close();
  const results = await Promise.allSettled(
    Array.from({ length: 600 }, (_, i) => use(proof(`away ${i}`))),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toEqual([]);
  const again = createUsedProofs(database);
  expect(await again(proof("away 0"))).toBe(true);
});
