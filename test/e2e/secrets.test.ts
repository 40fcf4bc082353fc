import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createSink, push } from "../support/api.ts";
import { type Browser, createBrowser } from "../support/browser.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { databaseText } from "../support/database-text.ts";
import { type MailServer, startMailServer } from "../support/mail-server.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { fetchToken, type TestServer, waitFor } from "../support/server.ts";

const ADA = { email: "ada@example.com", password: "correct horse battery staple" };
const SMTP_PASSWORD = "smtp-password-9f2c1b";
const URL_PASSWORD = "url-password-77c1e0";
const HEADER_VALUE = "header-value-5d20aa";
const PRODUCER_SECRET = "chosen-signing-secret-3b1f";

let cluster: Cluster;
let server: TestServer;
let mails: MailServer;
let receiver: Receiver;
let ada: Browser;
/** What was shown once or sent in, by what it is. */
const secrets = new Map<string, string>();

beforeAll(async () => {
  mails = await startMailServer({
    onAuth: ({ username }, _, done) => done(null, { user: username }),
  });
  [cluster, receiver] = await Promise.all([startCluster(), startReceiver()]);
  server = await cluster.startNode({
    env: {
      LOG_LEVEL: "debug",
      SMTP_URL: `smtp://ada:${SMTP_PASSWORD}@127.0.0.1:${mails.port}?from=tributary@example.org`,
    },
  });
  ada = createBrowser(server.url);
});
afterAll(async () => {
  await cluster?.close();
  await receiver?.close();
  await mails?.close();
});

function keep(what: string, secret: string | undefined): string {
  expect(secret?.length ?? 0, what).toBeGreaterThan(11);
  secrets.set(what, secret!);
  return secret!;
}

async function makePeople(): Promise<void> {
  keep("password", ADA.password);
  keep("password of the mail server", SMTP_PASSWORD);
  await ada.call("AccountService/SignUp", { ...ADA, projectDisplayName: "Own" });
  const wrong = createBrowser(server.url);
  const refused = { ...ADA, password: keep("refused password", "not the right password") };
  await wrong.call("AccountService/SignIn", refused).catch(() => undefined);
  keep("session", ada.cookie.slice(ada.cookie.indexOf("=") + 1));
  const { link } = await ada.call<{ link: string }>("AccountService/CreateInvitation", {
    parent: "projects/own",
    invitation: { email: "bob@example.com", role: "VIEWER" },
  });
  keep("invitation", link.slice(link.indexOf("=") + 1));
  await waitFor(() => mails.mails.length > 0, { what: "the mail of the invitation" });
  await ada.call("AccountService/RequestPasswordReset", { email: ADA.email });
  const sources = () => mails.mails.map(({ source }) => source.replace(/=\r?\n/g, "")).join();
  const token = await waitFor(() => /#reset=(?:3D)?([\w-]{43})/.exec(sources())?.[1]);
  const newPassword = keep("new password", "incorrect horse battery staple");
  await ada.call("AccountService/ResetPassword", {
    ...{ token: keep("link for a new password", token), newPassword },
  });
  await ada.call("AccountService/SignIn", { ...ADA, password: newPassword });
  keep("later session", ada.cookie.slice(ada.cookie.indexOf("=") + 1));
}

async function makeCredentials(): Promise<void> {
  keep("secret of the demo application", server.env.CLIENT_SECRET);
  const { application, clientSecret } = await call<{
    application: { name: string; clientId: string };
    clientSecret: string;
  }>(server, "management.v1.ApplicationService/CreateApplication", {
    parent: "projects/demo",
    applicationId: "robot",
    application: { clientCredentialsEnabled: true, operations: ["api:use-streams-write"] },
  });
  keep("secret of an application", clientSecret);
  const rotated = await call<{ clientSecret: string }>(
    server,
    "management.v1.ApplicationService/RotateApplicationSecret",
    { name: application.name, overlap: "60s" },
  );
  keep("second secret of an application", rotated.clientSecret);
  keep("access token", await server.token());
  const service = await call<{ secret: string }>(server, "management.v1.TokenService/CreateToken", {
    parent: "projects/demo",
    token: { kind: "SERVICE", operations: ["api:use-streams-write"], role: "EDITOR" },
  });
  keep("service token", service.secret);
}

async function makeSinks(stream: string): Promise<void> {
  const url = new URL(receiver.url);
  url.username = "hook";
  url.password = keep("password in a webhook's address", URL_PASSWORD);
  const { name, webhook } = await createSink(server, stream, {
    id: "hook",
    webhook: { url: url.href, headers: { "x-key": keep("header of a webhook", HEADER_VALUE) } },
  });
  keep("signing secret", webhook?.signingSecret);
  const { signingSecret } = await call<{ signingSecret: string }>(
    server,
    "management.v1.SinkService/RotateSigningSecret",
    { name },
  );
  keep("second signing secret", signingSecret);
  const { token } = await call<{ token: { secret: string } }>(
    ...[server, "management.v1.SinkService/CreateSink"],
    { parent: stream, sinkId: "own-token", sink: { file: { directory: "x" } }, withToken: true },
  );
  keep("token of a sink", token.secret);
  const database = new URL(cluster.sinkDatabaseUrl);
  const sql = postgres(cluster.sinkDatabaseUrl, { max: 1 });
  const password = keep("password of a database", "database-password-1a2b3c");
  await sql.unsafe(`CREATE ROLE sink_user LOGIN SUPERUSER PASSWORD '${password}'`);
  await sql.end();
  database.username = "sink_user";
  database.password = password;
  await createSink(server, stream, {
    id: "table",
    postgres: { databaseUrl: database.href, table: "secret_rows" },
  });
  await push(server, stream, [{ n: 1 }]);
}

async function makeSources(parent: string): Promise<void> {
  const kinds = {
    key: { apiKey: {} },
    user: { basic: { username: "device" } },
    address: { secretUrl: {} },
    signed: { signature: { scheme: "GITHUB", secret: PRODUCER_SECRET } },
  };
  keep("chosen signing secret of a source", PRODUCER_SECRET);
  for (const [sourceId, kind] of Object.entries(kinds)) {
    const made = await call<{ secret?: string; url: string }>(
      server,
      "management.v1.SourceService/CreateSource",
      { parent, sourceId, source: kind },
    );
    if (made.secret) keep(`secret of the source ${sourceId}`, made.secret);
    const headers = { "content-type": "application/json", "x-api-key": made.secret ?? "" };
    await fetch(made.url, { method: "POST", headers, body: '{"n":2}' });
  }
}

/** Later answers about everything that was made. */
async function laterAnswers(stream: string): Promise<string> {
  const own = [
    ["AccountService/ListSessions", {}],
    ["AccountService/ListInvitations", { parent: "projects/own" }],
    ["AccessService/ListMembers", { parent: "projects/own" }],
    ["AuditService/ListAuditEvents", { parent: "projects/own" }],
    ["AuditService/ListInstallationAuditEvents", {}],
  ] as const;
  const demo = [
    ["ApplicationService/ListApplications", { parent: "projects/demo" }],
    ["TokenService/ListTokens", { parent: "projects/demo" }],
    ["SinkService/ListSinks", { parent: stream }],
    ["SourceService/ListSources", { parent: stream }],
    ["AccessService/ListGrants", { parent: "projects/demo" }],
    ["AuditService/ListAuditEvents", { parent: "projects/demo", pageSize: 1000 }],
  ] as const;
  const answers = [
    ...(await Promise.all(own.map(([method, request]) => ada.call(method, request)))),
    ...(await Promise.all(
      demo.map(([method, request]) => call(server, `management.v1.${method}`, request)),
    )),
  ];
  const text = JSON.stringify(answers);
  // The events are there, so what is looked for could have been in them.
  expect(text).toContain("CreateSink");
  expect(text).toContain("CreateSource");
  return text;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A secret as it is, and as bytes of it are written in hex and base64. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString("hex"), bytes.toString("base64").replace(/=+$/, "")];
}

test("check 10: no secret is in a log, in the database, in the data of the node or in a later answer", async () => {
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    {
      parent: "projects/demo",
      streamId: "secretive",
      stream: { schema: { fields: [{ name: "n", type: "LONG" }] } },
    },
  );
  await makePeople();
  await makeCredentials();
  await makeSinks(stream.name);
  await makeSources(stream.name);
  // What is refused must not be repeated either.
  const { url, env } = server;
  const CLIENT_SECRET = keep("refused client secret", "wrong-secret-00aa");
  await fetchToken(url, { ...env, CLIENT_SECRET }).catch(() => undefined);
  await fetch(`${url}/v1/projects`, {
    headers: { authorization: `Bearer ${keep("refused token", "trib_refused-token-0000")}` },
  });

  const sql = postgres(cluster.postgres.url.replace(/\/[^/]*$/, "/test_control"), { max: 1 });
  const places = new Map([
    ["the log", server.output()],
    ["the database", await databaseText({ sql } as never)],
    ["a later answer", await laterAnswers(stream.name)],
  ]);
  await sql.end();
  const isOurs = (file: string) => !file.endsWith("demo.env");
  for (const file of filesBelow(server.dataDir).filter(isOurs)) {
    places.set(file, readFileSync(file, "latin1"));
  }
  expect(places.get("the log")).toContain("debug");
  expect(places.get("the database")).toContain("secretive");
  const found: string[] = [];
  for (const [what, secret] of secrets) {
    for (const [place, text] of places) {
      if (formsOf(secret).some((form) => text.includes(form))) found.push(`${what} in ${place}`);
    }
  }
  // The demo application's secret is shown once, at the first start.
  const demo = secrets.get("secret of the demo application") ?? "";
  expect(server.output().split(demo)).toHaveLength(2);
  found.splice(found.indexOf("secret of the demo application in the log"), 1);
  expect(secrets.size).toBeGreaterThan(18);
  expect(found).toEqual([]);
});
