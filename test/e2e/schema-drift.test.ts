import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, createStream, listAll, push, schemaOf } from "../support/api.ts";
import { type MailServer, startMailServer } from "../support/mail-server.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
let mails: MailServer;

beforeAll(async () => {
  mails = await startMailServer();
  server = await startServer({
    env: {
      SMTP_URL: `smtp://127.0.0.1:${mails.port}`,
      TRIBUTARY_MAIL_FROM: "tributary@example.com",
    },
  });
});
afterAll(async () => {
  await server?.close();
  await mails?.close();
});

interface Proposal {
  name: string;
  state: string;
  sampleJson: string;
  changes?: { path: string; before?: string; after: string }[];
}

async function evolving(streamId: string, schema?: object, keyFields: string[] = []) {
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    {
      parent: "projects/demo",
      streamId,
      stream: { schemaMode: "EVOLVE", notifyEmails: ["ada@example.com"], schema, keyFields },
    },
  );
  return stream.name;
}

const proposalsOf = async (parent: string) =>
  (
    await call<{ schemaProposals?: Proposal[] }>(
      server,
      "management.v1.StreamService/ListSchemaProposals",
      { parent },
    )
  ).schemaProposals ?? [];
const mailsAbout = (stream: string) =>
  mails.mails.filter((mail) => mail.source.includes(`${stream}.`));

describe.each([
  ["with an initial schema", "seeded", schemaOf({ id: "LONG" })],
  ["without one", "bare", undefined],
])("%s", (_title, id, schema) => {
  test("S14, S15, S16: a new shape is taken whole, told once by e-mail with the difference, and is known after it was accepted", async () => {
    const stream = await evolving(id, schema);
    const record = { id: 1, reading: 2.5, site: { name: "a" } };
    for (let i = 0; i < 5; i++) {
      expect((await push(server, stream, [record, { ...record, id: 2 }])).status).toBe(200);
    }
    const [proposal] = await waitFor(
      async () => {
        const found = await proposalsOf(stream);
        return found.length > 0 && mailsAbout(stream).length > 0 ? found : undefined;
      },
      { what: "a proposal and a mail" },
    );
    expect(proposal?.state).toBe("PENDING");
    const reading = { path: "reading", after: "DOUBLE?" };
    expect(proposal?.changes).toContainEqual(reading);
    expect(JSON.parse(proposal?.sampleJson ?? "")).toEqual(record);
    const mail = mailsAbout(stream)[0]!;
    expect(mail.to).toEqual(["ada@example.com"]);
    expect(mail.source).toContain("+ reading: DOUBLE?");
    expect(mail.source).toContain(`/${stream}/schema`);
    expect((await listAll(server, stream)).map(({ value }) => value).slice(0, 1)).toEqual([record]);

    const accepted = await call<{ stream: { schemaVersion: string } }>(
      server,
      "management.v1.StreamService/AcceptSchemaProposal",
      { name: proposal?.name },
    );
    expect(accepted.stream.schemaVersion).toBe("2");
    expect((await push(server, stream, [record])).status).toBe(200);
    expect((await push(server, stream, [{ ...record, other: true }])).status).toBe(200);
    const after = await waitFor(
      async () => {
        const found = await proposalsOf(stream);
        return found.length === 2 && mailsAbout(stream).length === 2 ? found : undefined;
      },
      { what: "the proposal of the next shape" },
    );
    expect(after.map(({ state }) => state)).toEqual(["PENDING", "ACCEPTED"]);
    expect(after[0]?.changes).toEqual([{ path: "other", after: "BOOLEAN?" }]);

    await call(server, "management.v1.StreamService/DismissSchemaProposal", {
      name: after[0]?.name,
    });
    await push(server, stream, [{ ...record, other: false }]);
    await push(server, stream, [{ ...record, third: 3 }]);
    await waitFor(async () => mailsAbout(stream).length === 3, {
      what: "the mail of a third shape",
    });
    expect((await proposalsOf(stream)).map(({ state }) => state)).toEqual([
      "PENDING",
      "DISMISSED",
      "ACCEPTED",
    ]);
  });
});

test("S16: a proposal is accepted with an edited schema", async () => {
  const stream = await evolving("edited", schemaOf({ id: "LONG" }));
  await push(server, stream, [{ id: 1, price: 2 }]);
  const [proposal] = await waitFor(
    async () => {
      const found = await proposalsOf(stream);
      return found.length > 0 ? found : undefined;
    },
    { what: "a proposal" },
  );
  const schema = schemaOf({ id: "LONG", price: "DECIMAL?" });
  const { stream: changed } = await call<{ stream: { schema: { fields: object[] } } }>(
    server,
    "management.v1.StreamService/AcceptSchemaProposal",
    { name: proposal?.name, schema },
  );
  expect(changed.schema.fields).toMatchObject([{ name: "id" }, { name: "price", type: "DECIMAL" }]);
});

test("a stream that takes everything still needs its key, and its records stay in key order", async () => {
  const stream = await evolving("keyed", schemaOf({ id: "LONG" }), ["id"]);
  expect((await push(server, stream, [{ id: 1, a: 1 }])).status).toBe(200);
  for (const bad of [{ a: 1 }, { id: "x" }, { id: null }]) {
    const answer = await push(server, stream, [{ id: 1 }, bad]);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("records[1].id");
  }
  expect(await listAll(server, stream)).toHaveLength(1);
});

test("OPEN asks nothing and tells nothing; STRICT refuses", async () => {
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    { parent: "projects/demo", streamId: "open", stream: { schemaMode: "OPEN" } },
  );
  expect((await push(server, stream.name, [{ any: [1, { thing: null }] }])).status).toBe(200);
  expect((await push(server, stream.name, ["no object"])).status).toBe(400);
  expect(await proposalsOf(stream.name)).toEqual([]);
  const strict = await createStream(server, "strict", { fields: { id: "LONG" } });
  expect((await push(server, strict, [{ id: 1, more: 1 }])).status).toBe(400);
});
