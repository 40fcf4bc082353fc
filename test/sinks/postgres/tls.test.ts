import { execFile } from "node:child_process";
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { findServiceUser } from "../../../src/embedded/service-user.ts";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import { startTestPostgres, type TestPostgres } from "../../support/postgres.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { waitFor } from "../../support/wait-for.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const run = promisify(execFile);
const schema = schemaOf([{ name: "id", type: T.LONG }]);
let server: TestPostgres;
let sql: postgres.Sql;
let folder: string;
let authority: string;

/** A server with a certificate for `localhost` that an authority of this test has signed. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-tls-"));
  server = await startTestPostgres();
  sql = postgres(server.url, { max: 2, onnotice: () => undefined });
  await makeCertificates();
  authority = await readFile(join(folder, "ca.crt"), "utf8");
  const user = await findServiceUser();
  await chmod(folder, 0o755);
  if (user) await chown(join(folder, "server.key"), user.uid, user.gid);
  await sql.unsafe(`ALTER SYSTEM SET ssl_cert_file = '${join(folder, "server.crt")}'`);
  await sql.unsafe(`ALTER SYSTEM SET ssl_key_file = '${join(folder, "server.key")}'`);
  await sql`ALTER SYSTEM SET ssl = on`;
  await sql`SELECT pg_reload_conf()`;
  await waitFor(async () => (await lastStage(configOf(urlOf("require")))) === "write ok");
});
afterAll(async () => {
  await sql?.end();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function makeCertificates() {
  const openssl = (...words: string[]) => run("openssl", words, { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await writeFile(join(folder, "san"), "subjectAltName=DNS:localhost\n");
  await openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca");
  await openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=db");
  const sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san"];
  await openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", ...sign);
}

const urlOf = (mode: string, host = "localhost") => {
  const url = new URL(server.url);
  url.hostname = host;
  url.searchParams.set("sslmode", mode);
  return url.href;
};

const configOf = (databaseUrl: string, certificateAuthority = "") =>
  create(PostgresSinkSchema, { databaseUrl, table: "secured", certificateAuthority });

const lastStage = async (config: ReturnType<typeof configOf>) => {
  const options = { prepare: true, signal: attempt() };
  const stages = await postgresDriver.test(config, environment({ schema }), options);
  return `${stages.at(-1)?.name} ${stages.at(-1)?.isOk ? "ok" : stages.at(-1)?.message}`;
};

test.each([
  ["require", "localhost", false],
  ["require", "127.0.0.1", false],
  ["prefer", "localhost", false],
  ["verify-full", "localhost", true],
])("sslmode=%s to %s writes rows over TLS", async (mode, host, isVerified) => {
  const config = configOf(urlOf(mode, host), isVerified ? authority : "");
  const env = environment({ schema, sinkUid: `tls-${mode}-${host}` });
  const sink = await postgresDriver.open(config, env);
  try {
    await sink.resume?.(0, 1);
    expect(await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt())).toMatchObject({
      outcomes: [{ kind: "delivered" }],
    });
    const used =
      await sql`SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
      WHERE a.application_name = 'tributary'`;
    expect([...used]).toEqual([{ ssl: true }]);
  } finally {
    await sink.close();
  }
});

test("verify-full refuses a server whose certificate leads to no known authority, or names another host", async () => {
  expect(await lastStage(configOf(urlOf("verify-full")))).toMatch(/^connect TLS_FAILED/);
  const elsewhere = configOf(urlOf("verify-full", "127.0.0.1"), authority);
  expect(await lastStage(elsewhere)).toMatch(/^connect TLS_FAILED/);
  expect(await lastStage(configOf(urlOf("verify-full"), authority))).toBe("write ok");
});

test("require refuses a server without TLS, and prefer and disable take it", async () => {
  const plain = new URL(await createTestDatabase());
  const stageOf = (mode: string) => {
    plain.searchParams.set("sslmode", mode);
    return lastStage(configOf(plain.href));
  };
  expect(await stageOf("require")).toMatch(/^connect TLS_FAILED: the server offers no TLS/);
  expect(await stageOf("prefer")).toBe("write ok");
  expect(await stageOf("disable")).toBe("write ok");
});

test("the end of an attempt cancels the statement over TLS too", async () => {
  const sink = await postgresDriver.open(
    configOf(urlOf("require")),
    environment({ schema, sinkUid: "tls-cancel" }),
  );
  await sink.resume?.(0, 1);
  await sql.begin(async (transaction) => {
    await transaction`LOCK TABLE secured IN ACCESS EXCLUSIVE MODE`;
    const request = requestOf(rowsOf([{ id: 9 }]));
    expect(await sink.write(request, attempt(300))).toMatchObject({ reason: "TIMEOUT" });
    const waiting = () => transaction`SELECT FROM pg_stat_activity
      WHERE application_name = 'tributary' AND wait_event_type = 'Lock'`;
    for (let i = 0; i < 40 && (await waiting()).length > 0; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(await waiting()).toHaveLength(0);
  });
  await sink.close();
});

test("an authority must be a certificate, and belongs to verify-full", () => {
  const fields = (config: ReturnType<typeof configOf>) =>
    postgresDriver.check(config, { schema }).map(({ description }) => description);
  expect(fields(configOf(urlOf("verify-full"), authority + authority))).toEqual([]);
  expect(fields(configOf(urlOf("verify-full"), "nonsense"))).toEqual([
    expect.stringContaining("PEM"),
  ]);
  const broken = authority.replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  expect(fields(configOf(urlOf("verify-full"), broken))).toHaveLength(1);
  expect(fields(configOf(urlOf("require"), authority))).toEqual([
    expect.stringContaining("sslmode=verify-full"),
  ]);
});
