import { randomBytes } from "node:crypto";
import { eq } from "drizzle-orm";
import postgres from "postgres";
import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import * as schema from "../../src/db/schema.ts";
import { useTestDatabase } from "../support/database.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { createTestLogger } from "../support/test-logger.ts";

/** Tables that hold nothing of a single project: only the scope of the installation sees them. */
const ABOVE_PROJECTS = [
  "audit_intents",
  "changes",
  "external_identities",
  "managed_master_keys",
  "password_resets",
  "persons",
  "purges",
  "revoked_tokens",
  "sessions",
  "settings",
  "signing_keys",
  "usage_marks",
  "used_proofs",
];

async function insertTwoProjects(database: Database): Promise<void> {
  for (const id of ["a", "b"]) {
    await database.inProject(`projects/${id}`, (db) =>
      db.insert(schema.projects).values({
        uid: `u${id}`,
        name: `projects/${id}`,
        displayName: id,
        description: "",
        version: 1,
        createTime: new Date(),
        updateTime: new Date(),
      }),
    );
  }
}

test("check 3: every table is forced under the policy of its project, or is declared to be above projects", async () => {
  const { database } = await useTestDatabase();
  const rows = await database.sql<{ name: string; forced: boolean; by: string }[]>`
    SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
      CASE WHEN pg_get_expr(p.polqual, c.oid) LIKE '%project_in_scope%' THEN 'project'
        ELSE 'installation' END AS by
    FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'scope'
    WHERE c.relnamespace = 'tributary'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname NOT IN ('migrations', 'projects')`;
  expect(rows.filter((row) => !row.forced)).toEqual([]);
  const above = rows.filter((row) => row.by === "installation").map((row) => row.name);
  expect(above.sort()).toEqual(ABOVE_PROJECTS);
});

test("check 3: queries run as a role that owns no table and cannot leave row-level security", async () => {
  const { database } = await useTestDatabase();
  const [role] = await database.acrossProjects((db) =>
    db.execute<{ owns: boolean; is_free: boolean; sees_migrations: boolean }>(`
      SELECT EXISTS (SELECT FROM pg_class WHERE relowner = current_user::regrole) AS owns,
        rolsuper OR rolbypassrls AS is_free,
        has_table_privilege('tributary.migrations', 'SELECT') AS sees_migrations
      FROM pg_roles WHERE rolname = current_user`),
  );
  expect(role).toMatchObject({ owns: false, is_free: false, sees_migrations: false });
});

test("a query in the scope of one project sees and changes nothing of another one", async () => {
  const { database } = await useTestDatabase();
  await insertTwoProjects(database);
  const seen = await database.inProject("projects/a/streams/s", (db) =>
    db.select({ uid: schema.projects.uid }).from(schema.projects),
  );
  expect(seen).toEqual([{ uid: "ua" }]);
  const changed = await database.inProject("projects/a", (db) =>
    db.update(schema.projects).set({ displayName: "mine" }).returning(),
  );
  expect(changed.map((row) => row.uid)).toEqual(["ua"]);
  const intrusion = database.inProject("projects/a", (db) =>
    db.insert(schema.branches).values({
      uid: "x",
      projectUid: "ub",
      streamUid: "s",
      name: "projects/b/streams/s/branches/x",
      branchId: "x",
      shard: 0,
      createTime: new Date(),
    }),
  );
  await expect(intrusion).rejects.toMatchObject({ cause: { code: "42501" } });
  expect(
    await database.inProject("projects/a", (db) =>
      db.select().from(schema.signingKeys).where(eq(schema.signingKeys.kid, "k")),
    ),
  ).toEqual([]);
  const all = await database.acrossProjects((db) => db.select().from(schema.projects));
  expect(all).toHaveLength(2);
});

test("a query without a scope sees nothing; a scope ends with its transaction", async () => {
  const { database } = await useTestDatabase();
  await insertTwoProjects(database);
  const role = await database.acrossProjects(async (db) => {
    const [row] = await db.execute<{ role: string }>("SELECT current_user AS role");
    return row!.role;
  });
  for (let i = 0; i < 5; i++) {
    const [setting] = await database.sql`
      SELECT current_setting('tributary.scope', true) AS scope, current_user = ${role} AS is_scoped`;
    expect(setting).toMatchObject({ is_scoped: false });
    expect(setting!.scope || "").toBe("");
  }
  const rows = await database.sql.begin(async (sql) => {
    await sql`SET LOCAL ROLE ${sql(role)}`;
    return await sql`SELECT * FROM tributary.projects`;
  });
  expect(rows).toHaveLength(0);
});

test("a name that lies in no project opens no scope", async () => {
  const { database } = await useTestDatabase();
  for (const name of ["", "projects/", "projects/A'; --", "streams/x"]) {
    const error = await database
      .inProject(name, async () => "ran")
      .catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe("RESOURCE_NOT_FOUND");
  }
});

/** A database owned by a user that is no superuser; `role` is what it may do beside. */
async function openAsPlainUser(attributes: string): Promise<string> {
  const url = new URL(await createTestDatabase());
  const user = `u${randomBytes(6).toString("hex")}`;
  const admin = postgres(url.href, { max: 1 });
  await admin.unsafe(`CREATE ROLE ${user} LOGIN PASSWORD 'plain-user' ${attributes}`);
  await admin.unsafe(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO ${user}`);
  await admin.end();
  url.username = user;
  url.password = "plain-user";
  return url.href;
}

test.each(["CREATEROLE", "NOCREATEROLE"])(
  "row-level security binds a user of DATABASE_URL that is no superuser (%s)",
  async (attributes) => {
    const url = await openAsPlainUser(attributes);
    const database = openDatabase({ url, logger: quietLogger, max: 2 });
    const log = createTestLogger();
    await migrate(database, log.logger);
    await insertTwoProjects(database);
    const read = () => database.inProject("projects/b", (db) => db.select().from(schema.projects));
    expect(await read()).toHaveLength(1);
    expect(await database.sql`SELECT * FROM tributary.projects`).toHaveLength(0);
    await database.inProject("projects/b", (db) => db.delete(schema.projects));
    expect(await read()).toHaveLength(0);
    expect(log.lines.join()).not.toContain("row-level security");
    await database.close();
  },
);

test("warns when nothing binds the user of DATABASE_URL", async () => {
  const url = await openAsPlainUser("BYPASSRLS");
  const database = openDatabase({ url, logger: quietLogger, max: 2 });
  const log = createTestLogger();
  await migrate(database, log.logger);
  expect(log.lines.join()).toContain("row-level security does not bind the user");
  await database.close();
});
