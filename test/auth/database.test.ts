import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Auth, openAuth } from "../../src/auth/auth.ts";
import { openSnapshot, type Snapshot } from "../../src/catalog/snapshot.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres.ts";
import { waitFor } from "../support/wait-for.ts";
import { silent } from "./support/auth-server.ts";
import { sha256 } from "./support/memory-definitions.ts";

let postgres: TestPostgres;
let database: Database;
let definitions: Snapshot;
let auth: Auth;
const masterKey = randomBytes(32);
const STREAM = "projects/demo/streams/s";
const ISSUER = "https://tributary.example";

beforeAll(async () => {
  postgres = await startTestPostgres({ durable: true });
  database = openDatabase({ url: await postgres.createDatabase(), logger: silent });
  await migrate(database, silent);
  const { sql } = database;
  await sql`INSERT INTO tributary.projects VALUES ('p', 'projects/demo', '', '', 1, now(), now())`;
  await sql`INSERT INTO tributary.applications VALUES ('a', 'p', 'projects/demo/applications/app',
    '', 1, 'app', true, ${["api:use-streams-write"]}, false, NULL, 1, now(), now())`;
  await sql`INSERT INTO tributary.application_secrets VALUES ('s', 'a', ${sha256("secret")}, '', now(), NULL, 'p')`;
  definitions = await openSnapshot({ database, masterKey, logger: silent });
  auth = await openAuth({
    database,
    masterKey,
    definitions,
    issuer: () => ISSUER,
    logger: silent,
  });
});
afterAll(async () => {
  auth.close();
  await definitions.close();
  await database.close();
  await postgres.close();
});

async function login() {
  const issued = await auth.issueToken({
    authorization: [],
    clientId: "app",
    clientSecret: "secret",
    address: "192.0.2.1",
    grantType: "client_credentials",
  });
  const authorization = [`Bearer ${issued.access_token}`];
  return { authorization, caller: await auth.authenticator.authenticate({ authorization }) };
}

function reasonNow(work: () => void): string {
  try {
    work();
    return "OK";
  } catch (error) {
    return reasonOf(error) ?? String(error);
  }
}

const within5s = { timeoutMs: 5_000 };

test("F17: a grant given in the database counts within 5 s, and so does its end", async () => {
  const { caller } = await login();
  const push = () => reasonNow(() => auth.authorizer.authorizePush(caller, STREAM));
  expect(push()).toBe("ROLE_MISSING");
  await database.sql`INSERT INTO tributary.grants
    VALUES ('g', 'p', NULL, 'projects/demo', 'app', 2, 1, now())`;
  await waitFor(() => push() === "OK", within5s);
  await database.sql`DELETE FROM tributary.grants`;
  await waitFor(() => push() === "ROLE_MISSING", within5s);
});

test("a token of a disabled application is refused within 5 s", async () => {
  const { caller } = await login();
  const { recheck } = auth.authenticator;
  expect(reasonNow(() => recheck(caller))).toBe("OK");
  await database.sql`UPDATE tributary.applications SET is_disabled = true, version = version + 1`;
  await waitFor(() => reasonNow(() => recheck(caller)) === "TOKEN_INVALID", within5s);
  await database.sql`UPDATE tributary.applications SET is_disabled = false, version = version + 1`;
  await waitFor(() => reasonNow(() => recheck(caller)) === "OK", within5s);
});

test("with Postgres killed, tokens are issued and checked on; a revocation says 503 and works after", async () => {
  const before = await login();
  await postgres.kill("SIGKILL");
  const { authorization, caller } = await login();
  expect(auth.authenticator.recall(before.authorization[0]!)).toBe(before.caller);
  const token = authorization[0]!.slice("Bearer ".length);
  const call = { authorization: [], clientId: "app", clientSecret: "secret", address: "" };
  const failed = await auth.desk.revoke({ ...call, token }).catch((error: unknown) => error);
  expect(reasonOf(failed)).toBe("DATABASE_UNAVAILABLE");
  expect(reasonNow(() => auth.authenticator.recheck(caller))).toBe("OK");
  await postgres.restart();
  await waitFor(
    () =>
      auth.desk.revoke({ ...call, token }).then(
        () => true,
        () => false,
      ),
    // Connecting anew may take one connect timeout.
    { timeoutMs: 15_000 },
  );
  expect(reasonNow(() => auth.authenticator.recheck(caller))).toBe("TOKEN_INVALID");
});
