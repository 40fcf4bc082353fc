import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createUser } from "@nats-io/nkeys";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { NatsSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { natsDriver } from "../../../src/sinks/nats/driver.ts";
import { parseServer } from "../../../src/sinks/nats/server-address.ts";
import { escapeToken, parseSubject, subjectOf } from "../../../src/sinks/nats/subject.ts";
import type { SinkRow } from "../../../src/sinks/sink.ts";
import { startTestNats, type TestNats } from "../../support/nats.ts";
import { type NatsStream, openNatsStream } from "../../support/nats-stream.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const schema = schemaOf([
  { name: "id", type: T.LONG },
  { name: "kind", type: T.STRING },
  { name: "place", type: T.JSON },
]);
const keyOf = (row: SinkRow) =>
  (JSON.parse(Buffer.from(row.json).toString()) as { key: string }).key;
const env = environment({ schema, keyOf });
const key = createUser();
const users = `authorization { users = [
  { user: admin, password: admin }
  { user: writer, password: "s3cret", permissions: { publish: ["orders.>"], subscribe: ["_INBOX.>"] } }
  { nkey: ${key.getPublicKey()} }
] }`;
let server: TestNats;
let stream: NatsStream;

beforeAll(async () => {
  server = await startTestNats({ syncInterval: "2m", config: users });
  const admin = { servers: server.url, user: "admin", pass: "admin" };
  stream = await openNatsStream(admin, { name: "ORDERS", subjects: ["orders.>", "other.>"] });
});
afterAll(async () => {
  await stream?.close();
  await server?.close();
});
beforeEach(() => stream.purge());

const writer = { case: "user", value: { user: "writer", password: "s3cret" } } as const;
type Changes = MessageInitShape<typeof NatsSinkSchema>;
const configOf = (changes: Changes = {}) =>
  create(NatsSinkSchema, {
    servers: [server.url],
    subject: "orders.{key}.{kind}",
    credentials: writer,
    ...changes,
  });
const options = () => ({ prepare: false, signal: attempt() });
let sequence = 0;
const keyed = (records: readonly { id: number; key: string; kind?: string }[]) =>
  rowsOf(records, ++sequence).map((row, i) => ({ ...row, keyHash: records[i]!.key.length }));

test("subjects are made of key and fields, whose texts stay one token each", async () => {
  const sink = await natsDriver.open(configOf(), env);
  const rows = keyed([
    { id: 1, key: "a.b", kind: "x y" },
    { id: 2, key: ">", kind: "*" },
    { id: 3, key: "ä", kind: "" },
  ]);
  expect(await sink.write(requestOf(rows), attempt())).toMatchObject({ kind: "rows" });
  await sink.close();
  const found = await stream.messages();
  expect(found.map(({ subject }) => subject)).toEqual([
    "orders.a%2Eb.x%20y",
    "orders.%3E.%2A",
    "orders.%C3%A4.%",
  ]);
  expect(found.map(({ id }) => id)).toEqual(rows.map((row) => `${row.recordId}.${env.sinkUid}`));
});

test("property: a token never has a dot, a wildcard or white space, and different texts differ", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      expect(escapeToken(a)).toMatch(/^[A-Za-z0-9_~%-]+$/);
      expect(escapeToken(a) === escapeToken(b)).toBe(a.toWellFormed() === b.toWellFormed());
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const template = parseSubject("a.{key}.b");
      if (typeof template === "string") throw new Error(template);
      const [row] = rowsOf([{}]);
      expect(subjectOf(template, row!, text).split(".")).toHaveLength(3);
    }),
  );
});

test("a repeat, whole or in part, is stored once and keeps the order of each key", async () => {
  const sink = await natsDriver.open(configOf(), env);
  const rows = keyed(
    Array.from({ length: 300 }, (_, id) => ({ id, key: "k".repeat(1 + (id % 3)), kind: "n" })),
  );
  const request = requestOf(rows);
  await sink.write(requestOf(keyed([{ id: 998, key: "z", kind: "n" }])), attempt());
  // The server goes away while messages are on their way.
  const writing = sink.write(request, attempt());
  await server.kill("SIGSTOP");
  const stopped = sink.write(requestOf(keyed([{ id: 999, key: "z", kind: "n" }])), attempt(300));
  expect(await stopped).toMatchObject({ kind: "retry", scope: "sink", reason: "TIMEOUT" });
  await server.kill("SIGCONT");
  await writing;
  expect(await sink.write(request, attempt())).toMatchObject({ kind: "rows" });
  expect(await sink.write(request, attempt())).toMatchObject({ kind: "rows" });
  await sink.close();
  const ids = (await stream.messages()).map(({ data }) => JSON.parse(data).id as number);
  const first = ids.filter((id) => id < 998);
  expect(first).toHaveLength(300);
  for (const rest of [0, 1, 2]) {
    const own = first.filter((id) => id % 3 === rest);
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
});

test("without a stream a message is not confirmed, unless its owner asks for no more than once", async () => {
  const admin = { case: "user", value: { user: "admin", password: "admin" } } as const;
  const config = configOf({ subject: "lost.{key}", credentials: admin });
  const stages = await natsDriver.test(config, env, options());
  expect(stages.at(-1)).toMatchObject({ name: "write", isOk: false });
  expect(stages.at(-1)?.message).toMatch(/^DESTINATION_MISSING/);
  expect(stages.at(-1)?.remedy).toContain('--subjects "lost.*"');
  const request = requestOf(keyed([{ id: 1, key: "a", kind: "" }]));
  const sure = await natsDriver.open(config, env);
  expect(await sure.write(request, attempt())).toMatchObject({
    kind: "retry",
    scope: "sink",
    reason: "DESTINATION_MISSING",
  });
  await sure.close();
  const once = await natsDriver.open(Object.assign(config, { atMostOnce: true }), env);
  expect(await once.write(request, attempt())).toMatchObject({ kind: "rows" });
  await once.close();
  expect((await natsDriver.test(config, env, options())).every(({ isOk }) => isOk)).toBe(true);
});

test("N11: wrong passwords, missing rights and a closed port are told apart; no text names a secret", async () => {
  const lastOf = async (changes: Changes) => {
    const stages = await natsDriver.test(configOf(changes), env, options());
    expect(JSON.stringify(stages)).not.toContain("s3cret");
    return `${stages.at(-1)?.name} ${stages.at(-1)?.message}`;
  };
  const wrong = { case: "user", value: { user: "writer", password: "s3cret2" } } as const;
  expect(await lastOf({ credentials: wrong })).toMatch(/^connect AUTHENTICATION_FAILED/);
  expect(await lastOf({ subject: "other.{kind}" })).toMatch(/^write ACCESS_DENIED/);
  expect(await lastOf({ servers: ["nats://127.0.0.1:1"] })).toMatch(/^connect CONNECTION_FAILED/);
  expect(await lastOf({ servers: ["nats://127.0.0.1:1", server.url] })).toMatch(/^write a stream/);
  expect(await lastOf({ servers: [server.url.replace("nats:", "tls:")] })).toMatch(
    /^connect TLS_FAILED/,
  );
  for (const atMostOnce of [false, true]) {
    const sink = await natsDriver.open(configOf({ subject: "other.{kind}", atMostOnce }), env);
    const request = requestOf(keyed([{ id: 1, key: "a", kind: "x" }]));
    const outcome = await sink.write(request, attempt());
    expect(outcome).toMatchObject({ kind: "retry", scope: "sink", reason: "ACCESS_DENIED" });
    await sink.close();
  }
});

test("an NKey lets us in", async () => {
  const seed = Buffer.from(key.getSeed()).toString();
  const config = configOf({ credentials: { case: "nkeySeed", value: seed } });
  expect(natsDriver.check(config, { schema })).toEqual([]);
  const stages = await natsDriver.test(config, env, options());
  expect(stages.filter(({ isOk }) => !isOk)).toEqual([]);
});

test("check 27: addresses inside are refused however they are written, before anything is sent", async () => {
  const outside = environment({ schema, isLoopbackAllowed: false });
  for (const host of [
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
  ]) {
    const servers = [`nats://${host}:${new URL(server.url).port}`];
    const stages = await natsDriver.test(configOf({ servers }), outside, options());
    expect(stages.at(-1)?.message).toMatch(/^ADDRESS_REFUSED/);
  }
});

test("addresses are parsed as servers of NATS have them", () => {
  expect(parseServer("nats://h")).toEqual({ host: "h", port: 4222, isTls: false });
  expect(parseServer("tls://h:80")).toEqual({ host: "h", port: 80, isTls: true });
  for (const text of ["h:4222", "nats://u:p@h", "nats://h/x", "nats://", "ws://h"]) {
    expect(parseServer(text)).toBeTypeOf("string");
  }
});

test("a saved secret goes to the same servers and user only", () => {
  const saved = configOf();
  const masked = natsDriver.mask(saved);
  expect(natsDriver.keepSecrets(masked, saved)).toEqual(saved);
  const elsewhere = Object.assign(natsDriver.mask(saved), { servers: ["nats://evil.example"] });
  expect(natsDriver.keepSecrets(elsewhere, saved)).toEqual(elsewhere);
});
