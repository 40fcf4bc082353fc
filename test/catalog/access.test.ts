import { expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { failureOf } from "../support/reason-of-call.ts";

const VIEWER = 1;
const EDITOR = 2;
const OWNER = 3;
const parent = "projects/a";
const stream = "projects/a/streams/s";

async function useProject() {
  const opened = await useTestCatalog();
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  await ops.projects.createProject({ projectId: "b", project: {} });
  const schema = { fields: [{ name: "id", type: Field_Type.STRING }] };
  await ops.streams.createStream({ parent, streamId: "s", stream: { schema } });
  const register = async (project: string, applicationId: string) => {
    const request = { parent: project, applicationId, application: {} };
    return (await ops.applications.createApplication(request)).application!;
  };
  const app = await register(parent, "app");
  return { ...opened, ops, register, app };
}

test("F17: a role is given, replaced, listed and taken away, and the snapshot knows at once", async () => {
  const { ops, snapshot, app } = await useProject();
  expect(snapshot.grantsOf(app.clientId)).toEqual([]);
  const give = (resource: string, role: number) =>
    ops.access.createGrant({ parent: resource, grant: { clientId: app.clientId, role } });
  const { grant } = await give(stream, VIEWER);
  expect(grant?.name).toMatch(/^projects\/a\/streams\/s\/grants\/[a-z0-9]{20}$/);
  const { grant: replaced } = await give(stream, EDITOR);
  expect(replaced).toMatchObject({ name: grant?.name, role: EDITOR });
  await give(parent, VIEWER);
  const roles = snapshot.grantsOf(app.clientId).map(({ resource, role }) => [resource, role]);
  expect(roles.sort()).toEqual([
    [parent, VIEWER],
    [stream, EDITOR],
  ]);
  expect((await ops.access.listGrants({ parent: stream })).grants).toEqual([replaced]);
  await ops.access.deleteGrant({ name: grant!.name });
  expect(snapshot.grantsOf(app.clientId)).toHaveLength(1);
  const gone = await failureOf(ops.access.deleteGrant({ name: grant!.name }));
  expect(gone.reason).toBe("RESOURCE_NOT_FOUND");
});

test("a client of another project answers as one that does not exist", async () => {
  const { ops, register } = await useProject();
  const foreign = await register("projects/b", "other");
  const give = (clientId: string) =>
    failureOf(ops.access.createGrant({ parent, grant: { clientId, role: VIEWER } }));
  const missing = await give("z".repeat(20));
  const other = await give(foreign.clientId);
  expect(missing.reason).toBe("RESOURCE_NOT_FOUND");
  expect(other.message.replace(foreign.clientId, "")).toBe(
    missing.message.replace("z".repeat(20), ""),
  );
});

test("nobody gives more than they have, and OPERATOR cannot be given", async () => {
  const { ops, as, app, register } = await useProject();
  const second = await register(parent, "second");
  await ops.access.createGrant({ parent: stream, grant: { clientId: app.clientId, role: EDITOR } });
  const give = (resource: string, role: number) =>
    as(app.clientId).access.createGrant({
      parent: resource,
      grant: { clientId: second.clientId, role },
    });
  expect((await failureOf(give(stream, OWNER))).reason).toBe("ROLE_MISSING");
  expect((await failureOf(give(parent, VIEWER))).reason).toBe("ROLE_MISSING");
  await give(stream, EDITOR);
  const operator = ops.access.createGrant({ parent, grant: { clientId: app.clientId, role: 4 } });
  expect((await failureOf(operator)).fields).toEqual(["grant.role"]);
});

test("the last OWNER of a project stays, however they would go", async () => {
  const { ops, as, snapshot, app } = await useProject();
  const own = snapshot.grantsOf("ops").find((grant) => grant.resource === parent)!;
  const leave = () => ops.access.deleteGrant({ name: `${parent}/grants/${own.uid}` });
  expect((await failureOf(leave())).reason).toBe("LAST_OWNER");
  // A role on a stream makes nobody an OWNER of the project.
  await ops.access.createGrant({ parent: stream, grant: { clientId: app.clientId, role: OWNER } });
  expect((await failureOf(leave())).reason).toBe("LAST_OWNER");
  await ops.access.createGrant({ parent, grant: { clientId: app.clientId, role: OWNER } });
  await leave();
  const owner = as(app.clientId);
  const lower = owner.access.createGrant({
    parent,
    grant: { clientId: app.clientId, role: VIEWER },
  });
  expect((await failureOf(lower)).reason).toBe("LAST_OWNER");
  const vanish = owner.applications.deleteApplication({ name: app.name });
  expect((await failureOf(vanish)).reason).toBe("LAST_OWNER");
  const disable = () =>
    owner.applications.updateApplication({
      application: { name: app.name, disabled: true },
      updateMask: { paths: ["disabled"] },
    });
  expect((await failureOf(disable())).reason).toBe("LAST_OWNER");
  expect(snapshot.applicationByClientId(app.clientId)).toBeDefined();
});

test("two OWNERs who leave at the same time do not leave the project alone", async () => {
  const { ops, snapshot, app } = await useProject();
  await ops.access.createGrant({ parent, grant: { clientId: app.clientId, role: OWNER } });
  const { grants } = await ops.access.listGrants({ parent });
  const results = await Promise.allSettled(
    grants.map(({ name }) => ops.access.deleteGrant({ name })),
  );
  expect(results.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
  await snapshot.refresh();
  expect((await ops.access.listGrants({ parent })).grants).toHaveLength(1);
});
