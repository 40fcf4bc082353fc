import { createHash } from "node:crypto";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { noteApplicationUse } from "../../src/catalog/application-store.ts";
import { isClientSecret } from "../../src/catalog/client-secret.ts";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { databaseText } from "../support/database-text.ts";
import { failureOf } from "../support/reason-of-call.ts";

const name = "projects/a/applications/app";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function useApplication() {
  let nowMs = Date.now();
  const opened = await useTestCatalog({ now: () => nowMs });
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  const made = await ops.applications.createApplication({
    parent: "projects/a",
    applicationId: "app",
    application: { displayName: "App", clientCredentialsEnabled: true },
  });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { ...opened, ops, pass, clientId: made.application!.clientId, ...made };
}

test("F13 F14: the secret is shown once and stands nowhere in the database", async () => {
  const { ops, database, snapshot, clientId, clientSecret, application } = await useApplication();
  expect(isClientSecret(clientSecret)).toBe(true);
  expect(application).toMatchObject({
    name,
    operations: ["api:use-streams-read", "api:use-streams-write"],
    clientCredentialsEnabled: true,
    secretHints: [clientSecret.slice(0, 12)],
  });
  const known = snapshot.applicationByClientId(clientId)!;
  expect(known.secrets.map((secret) => Buffer.from(secret.sha256).toString("hex"))).toEqual([
    sha256(clientSecret),
  ]);
  const got = JSON.stringify((await ops.applications.getApplication({ name })).application, text);
  expect(got).not.toContain(clientSecret.slice(13));
  const rotated = await ops.applications.rotateApplicationSecret({ name });
  const stored = await databaseText(database);
  expect(stored).toContain(sha256(rotated.clientSecret));
  for (const secret of [clientSecret, rotated.clientSecret]) {
    const random = secret.slice(13);
    expect(stored).not.toContain(random);
    expect(stored).not.toContain(Buffer.from(random).toString("hex"));
  }
});

const text = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

test("check 13: rotation keeps two secrets for the overlap, and never three", async () => {
  const { ops, snapshot, clientId, clientSecret, pass, catalog } = await useApplication();
  const valid = () => {
    const { secrets } = snapshot.applicationByClientId(clientId)!;
    return secrets
      .filter(({ endTimeMs = Infinity }) => endTimeMs > catalog.now())
      .map((secret) => Buffer.from(secret.sha256).toString("hex"));
  };
  const overlap = durationFromMs(60_000);
  const second = await ops.applications.rotateApplicationSecret({ name, overlap });
  expect(valid()).toEqual([second.clientSecret, clientSecret].map(sha256));
  expect(second.application?.secretHints).toEqual(
    [second.clientSecret, clientSecret].map((secret) => secret.slice(0, 12)),
  );
  const third = await ops.applications.rotateApplicationSecret({ name, overlap });
  expect(valid()).toEqual([third.clientSecret, second.clientSecret].map(sha256));
  pass(60_001);
  expect(valid()).toEqual([sha256(third.clientSecret)]);
  const { application } = await ops.applications.getApplication({ name });
  expect(application?.secretHints).toHaveLength(1);
  const fourth = await ops.applications.rotateApplicationSecret({ name });
  expect(valid()).toEqual([sha256(fourth.clientSecret)]);
  const long = ops.applications.rotateApplicationSecret({
    name,
    overlap: durationFromMs(8 * 864e5),
  });
  expect((await failureOf(long)).fields).toEqual(["overlap"]);
});

test("F15 F16: switches and operations change by mask, and reach the snapshot at once", async () => {
  const { ops, snapshot, clientId, application } = await useApplication();
  await ops.applications.updateApplication({
    application: { name, operations: [], disabled: true },
    updateMask: { paths: ["client_credentials_enabled", "operations"] },
  });
  expect(snapshot.applicationByClientId(clientId)).toMatchObject({
    isClientCredentialsEnabled: false,
    isDisabled: false,
    operations: [],
  });
  const stale = { application: { name, disabled: true, etag: application!.etag } };
  expect((await failureOf(ops.applications.updateApplication(stale))).reason).toBe("ETAG_STALE");
  const fixed = { application: { name }, updateMask: { paths: ["client_id", "secret_hints"] } };
  expect((await failureOf(ops.applications.updateApplication(fixed))).fields).toHaveLength(2);
});

test("the time of use is shown and wakes no snapshot", async () => {
  const { ops, database, snapshot, clientId } = await useApplication();
  const known = snapshot.applicationByClientId(clientId);
  const time = new Date("2026-01-02T03:04:05Z");
  await database.acrossProjects((queries) => noteApplicationUse(queries, clientId, time));
  await snapshot.refresh();
  expect(snapshot.applicationByClientId(clientId)).toBe(known);
  const { applications } = await ops.applications.listApplications({ parent: "projects/a" });
  expect(applications[0]?.lastUsedTime?.seconds).toBe(BigInt(time.getTime() / 1_000));
});

test("a deleted application is gone with its grants", async () => {
  const { ops, snapshot, clientId } = await useApplication();
  const grant = { clientId, role: 2 };
  await ops.access.createGrant({ parent: "projects/a", grant });
  expect(snapshot.grantsOf(clientId)).toHaveLength(1);
  await ops.applications.deleteApplication({ name });
  expect(snapshot.applicationByClientId(clientId)).toBeUndefined();
  expect(snapshot.grantsOf(clientId)).toEqual([]);
  expect((await failureOf(ops.applications.getApplication({ name }))).reason).toBe(
    "RESOURCE_NOT_FOUND",
  );
});
