import fc from "fast-check";
import { expect, test } from "vitest";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { failureOf } from "../support/reason-of-call.ts";

async function useOperator(now?: () => number) {
  const opened = await useTestCatalog(now ? { now } : {});
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  return { ...opened, ops: opened.as("ops") };
}

test("makes, gets, changes and deletes a project", async () => {
  const { ops, snapshot } = await useOperator();
  const { project: made } = await ops.projects.createProject({
    project: { displayName: "Wind Park!", description: "x" },
  });
  expect(made).toMatchObject({ name: "projects/wind-park", displayName: "Wind Park!" });
  expect(made?.uid).toMatch(/^[a-z][a-z0-9]{19}$/);
  expect(snapshot.grantsOf("ops")).toContainEqual(
    expect.objectContaining({ resource: "projects/wind-park", role: 3 }),
  );
  const name = made!.name;
  expect((await ops.projects.getProject({ name })).project).toEqual(made);
  const { project: changed } = await ops.projects.updateProject({
    project: { name, description: "y", displayName: "unseen" },
    updateMask: { paths: ["description"] },
  });
  expect(changed).toMatchObject({ displayName: "Wind Park!", description: "y" });
  expect(changed?.etag).not.toBe(made?.etag);
  await ops.projects.deleteProject({ name });
  expect((await failureOf(ops.projects.getProject({ name }))).reason).toBe("RESOURCE_NOT_FOUND");
  expect(snapshot.grantsOf("ops").map((grant) => grant.resource)).not.toContain(name);
});

test("ids are chosen or made of the title, and taken once", async () => {
  const { ops } = await useOperator();
  await ops.projects.createProject({ projectId: "a", project: {} });
  const taken = await failureOf(ops.projects.createProject({ projectId: "a", project: {} }));
  expect(taken).toMatchObject({ reason: "ALREADY_EXISTS", fields: ["project_id"] });
  for (const [projectId, displayName] of [
    ["A", "x"],
    ["-a", "x"],
    ["", "!!"],
    ["a".repeat(64), "x"],
  ] as const) {
    const bad = await failureOf(
      ops.projects.createProject({ projectId, project: { displayName } }),
    );
    expect(bad).toMatchObject({ reason: "INVALID_FIELDS", fields: ["project_id"] });
  }
});

test("of two changes with the same etag one is ABORTED", async () => {
  const { ops } = await useOperator();
  const { project } = await ops.projects.createProject({ projectId: "a", project: {} });
  const change = (description: string) =>
    ops.projects.updateProject({
      project: { name: "projects/a", description, etag: project!.etag },
    });
  const results = await Promise.allSettled([change("1"), change("2"), change("3")]);
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  expect((await failureOf(change("4"))).reason).toBe("ETAG_STALE");
  const stale = ops.projects.deleteProject({ name: "projects/a", etag: project!.etag });
  expect((await failureOf(stale)).reason).toBe("ETAG_STALE");
});

test("pages of any size give each project once, newest first", async () => {
  let time = 1_000;
  const { ops } = await useOperator(() => time);
  for (let i = 0; i < 23; i++) {
    // Several of one time: the order goes on by uid.
    if (i % 3 === 0) time += 1;
    await ops.projects.createProject({ projectId: `p${i}`, project: {} });
  }
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 30 }), async (pageSize) => {
      const seen: { name: string; uid: string; seconds: bigint; nanos: number }[] = [];
      let pageToken = "";
      do {
        const page = await ops.projects.listProjects({ pageSize, pageToken });
        expect(page.projects.length).toBeLessThanOrEqual(pageSize);
        seen.push(...page.projects.map((p) => ({ name: p.name, uid: p.uid, ...p.createTime! })));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      expect(seen).toHaveLength(24);
      expect(new Set(seen.map((each) => each.name)).size).toBe(24);
      const times = seen.map((each) => Number(each.seconds) * 1e9 + each.nanos);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    }),
    { numRuns: 8 },
  );
});

test("a list holds what the caller has a role on; an operator sees all", async () => {
  const { ops, as } = await useOperator();
  for (const projectId of ["a", "b", "c"])
    await ops.projects.createProject({ projectId, project: {} });
  await ops.streams.createStream({
    parent: "projects/b",
    streamId: "s",
    stream: { schema: { fields: [{ name: "x", type: 1 }] } },
  });
  const clientIds: string[] = [];
  for (const parent of ["projects/a", "projects/b"]) {
    const { application } = await ops.applications.createApplication({
      parent,
      application: { displayName: "App" },
    });
    clientIds.push(application!.clientId);
  }
  const [first, second] = clientIds as [string, string];
  await ops.access.createGrant({ parent: "projects/a", grant: { clientId: first, role: 1 } });
  const parent = "projects/b/streams/s";
  await ops.access.createGrant({ parent, grant: { clientId: second, role: 2 } });
  const namesOf = async (clientId: string) =>
    (await as(clientId).projects.listProjects({})).projects.map((project) => project.name);
  expect(await namesOf(first)).toEqual(["projects/a"]);
  expect(await namesOf(second)).toEqual(["projects/b"]);
  expect(await namesOf("nobody")).toEqual([]);
  expect((await namesOf("ops")).sort()).toEqual([
    "projects/a",
    "projects/b",
    "projects/c",
    "projects/operators",
  ]);
});
