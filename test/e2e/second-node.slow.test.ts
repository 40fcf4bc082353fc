import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ApiError,
  call,
  createApplication,
  createGrant,
  createStream,
  push,
} from "../support/api.ts";
import { type Browser, createBrowser } from "../support/browser.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { startPacedChild } from "../support/paced-pushes.ts";
import { fetchToken, type TestServer, waitFor } from "../support/server.ts";

/** Pushes a second through each node, by callers that keep their access. */
const LOAD_PER_SECOND = 150;
const EFFECT_MS = 5_000;

let cluster: Cluster;
let first: TestServer;
let second: TestServer;
let stream: string;
let person: Browser;

beforeAll(async () => {
  cluster = await startCluster();
  first = await cluster.startNode();
  second = await cluster.startNode({ env: { PUBLIC_URL: first.url } });
  stream = await createStream(first, "busy", { fields: { n: "LONG" } });
  person = createBrowser(first.url);
  await person.call("AccountService/SignUp", {
    email: "ada@example.com",
    password: "correct horse battery",
  });
});
afterAll(() => cluster?.close());

const rpc = (method: string, request: object) => call(first, `management.v1.${method}`, request);

async function pusher(id: string) {
  const made = await createApplication(first, id);
  const grant = await createGrant(first, stream, { clientId: made.clientId, role: "EDITOR" });
  const env = { CLIENT_ID: made.clientId, CLIENT_SECRET: made.clientSecret };
  const token = await fetchToken(first.url, env);
  return { ...made, grant, env, token };
}

const pushAs = async (token: string, name = stream) =>
  (await push({ url: second.url, token: async () => token }, name, [{ n: 1 }])).status;

/** What is taken away on the first node, and what tells on the second whether it still works. */
interface Access {
  readonly end: () => Promise<unknown>;
  readonly works: () => Promise<boolean>;
}

async function accessToken(): Promise<Access> {
  const { env, token } = await pusher("revoked");
  const authorization = `Basic ${btoa(`${env.CLIENT_ID}:${env.CLIENT_SECRET}`)}`;
  return {
    end: () =>
      fetch(`${first.url}/oauth2/revoke`, {
        method: "POST",
        headers: { authorization },
        body: new URLSearchParams({ token }),
      }),
    works: async () => (await pushAs(token)) === 200,
  };
}

async function application(): Promise<Access> {
  const { name, token } = await pusher("disabled");
  return {
    end: () =>
      rpc("ApplicationService/UpdateApplication", {
        application: { name, disabled: true },
        updateMask: "disabled",
      }),
    works: async () => (await pushAs(token)) === 200,
  };
}

async function grant(): Promise<Access> {
  const { grant: name, token } = await pusher("ungranted");
  return {
    end: () => rpc("AccessService/DeleteGrant", { name }),
    works: async () => (await pushAs(token)) === 200,
  };
}

async function lesserRole(): Promise<Access> {
  const { clientId, token } = await pusher("lessened");
  return {
    end: () => createGrant(first, stream, { clientId, role: "VIEWER" }),
    works: async () => (await pushAs(token)) === 200,
  };
}

async function project(): Promise<Access> {
  const name = "projects/halted";
  await rpc("ProjectService/CreateProject", { projectId: "halted", project: {} });
  const own = await createStream(first, "s", { fields: { n: "LONG" }, project: name });
  const token = await first.token();
  return {
    end: () => rpc("InstallationService/SuspendProject", { name, reason: "unpaid" }),
    works: async () => (await pushAs(token, own)) === 200,
  };
}

async function session(): Promise<Access> {
  const browser = person.on(second.url);
  return {
    end: () => person.call("AccountService/SignOut"),
    works: () =>
      browser.call("AccountService/GetMe").then(
        () => true,
        (error: unknown) => !(error instanceof ApiError && error.status === 401),
      ),
  };
}

async function serviceToken(): Promise<Access> {
  const made = await call<{ token: { name: string }; secret: string }>(
    first,
    "management.v1.TokenService/CreateToken",
    {
      parent: "projects/demo",
      token: {
        kind: "SERVICE",
        role: "EDITOR",
        resource: stream,
        operations: ["api:use-streams-write"],
      },
    },
  );
  return {
    end: () => rpc("TokenService/DeleteToken", { name: made.token.name }),
    works: async () => (await pushAs(made.secret)) === 200,
  };
}

test("F17, check 20: what the first node takes away ends on the second within 5 s under load, and nobody else notices", async () => {
  const steady = await pusher("steady");
  const made = { accessToken, application, grant, lesserRole, project, session, serviceToken };
  const accesses: [string, Access][] = [];
  for (const [name, make] of Object.entries(made)) accesses.push([name, await make()]);
  const load = [first, second].map(({ url }) =>
    startPacedChild({ url, stream, token: steady.token, perSecond: LOAD_PER_SECOND }),
  );
  try {
    for (const [, access] of accesses) await waitFor(access.works, { timeoutMs: EFFECT_MS });
    for (const child of load) child.on();
    const took: Record<string, number> = {};
    for (const [name, { end, works }] of accesses) {
      expect(await works()).toBe(true);
      await end();
      const endedAt = performance.now();
      await waitFor(async () => !(await works()), { timeoutMs: EFFECT_MS, what: name });
      took[name] = Math.round(performance.now() - endedAt);
    }
    expect(Math.max(...Object.values(took))).toBeLessThan(EFFECT_MS);
    for (const child of load) {
      const counts = await child.off();
      expect(counts).toEqual({ 200: expect.any(Number) });
      expect(counts[200]).toBeGreaterThan(LOAD_PER_SECOND);
    }
  } finally {
    for (const child of load) child.close();
  }
}, 90_000);

test("check 24: who guesses at one node is turned away by the other too, of clients and of people; others are not", async () => {
  const { env } = await pusher("guessed");
  const other = await pusher("not-guessed");
  const ask = async ({ url }: { url: string }, client: typeof env) => {
    const authorization = `Basic ${btoa(`${client.CLIENT_ID}:${client.CLIENT_SECRET}`)}`;
    const body = new URLSearchParams({ grant_type: "client_credentials" });
    return (
      await fetch(`${url}/oauth2/token`, { method: "POST", headers: { authorization }, body })
    ).status;
  };
  const wrong = { ...env, CLIENT_SECRET: "wrong" };
  for (let n = 0; n < 10; n++) expect(await ask([first, second][n % 2]!, wrong)).toBe(401);
  for (const node of [first, second]) {
    await waitFor(async () => (await ask(node, env)) === 429, { timeoutMs: EFFECT_MS });
    expect(await ask(node, other.env)).toBe(200);
  }
  const signIn = (node: { url: string }, password: string) =>
    createBrowser(node.url)
      .call("AccountService/SignIn", { email: "ada@example.com", password })
      .then(
        () => 200,
        (error: unknown) => (error as ApiError).status,
      );
  for (let n = 0; n < 10; n++) expect(await signIn(first, "not her password")).toBe(401);
  await waitFor(async () => (await signIn(second, "correct horse battery")) === 429, {
    timeoutMs: EFFECT_MS,
  });
});

test("check 24: the rate of an address counts at both nodes", async () => {
  const ask = ({ url }: { url: string }) =>
    fetch(`${url}/tributary.management.v1.AccountService/LookupInvitation`, { method: "POST" });
  const leftAt = async (node: { url: string }) =>
    Number(/r=(\d+)/.exec((await ask(node)).headers.get("ratelimit") ?? "")?.[1]);
  const before = await leftAt(second);
  await Promise.all(Array.from({ length: 60 }, () => ask(first)));
  await waitFor(async () => (await leftAt(second)) < before - 20, { timeoutMs: EFFECT_MS });
});

test("check 23: a DPoP proof counts once among all nodes, and not after a restart; oauth4webapi calls either node", async () => {
  const { env } = await pusher("prover");
  const client: oauth.Client = { client_id: env.CLIENT_ID };
  const insecure = { [oauth.allowInsecureRequests]: true };
  const as = { issuer: first.url, token_endpoint: `${first.url}/oauth2/token` };
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
  const again = <T>(work: () => Promise<T>) =>
    work().catch((error: unknown) => {
      if (oauth.isDPoPNonceError(error)) return work();
      throw error;
    });
  const { access_token: token } = await again(async () =>
    oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(
        as,
        client,
        oauth.ClientSecretBasic(env.CLIENT_SECRET),
        {},
        { DPoP, ...insecure },
      ),
    ),
  );
  const path = `/v1/${stream}/records`;
  let sent: RequestInit | undefined;
  /** Sends what the library makes for the public address to one of the nodes. */
  const pushBy = (node: { url: string }) =>
    oauth.protectedResourceRequest(
      token,
      "POST",
      new URL(first.url + path),
      new Headers({ "content-type": "application/json" }),
      '[{"value":{"n":1}}]',
      {
        DPoP,
        ...insecure,
        [oauth.customFetch]: (_url: string, init: object) => {
          sent = init;
          return fetch(node.url + path, init);
        },
      },
    );
  const replayOn = async (node: { url: string }) => {
    const answer = await fetch(node.url + path, sent);
    return [answer.status, /error="(\w+)"/.exec(answer.headers.get("www-authenticate") ?? "")?.[1]];
  };
  for (const node of [first, second, first, second]) {
    expect((await again(() => pushBy(node))).status).toBe(200);
    for (const each of [first, second]) {
      expect(await replayOn(each)).toEqual([401, "invalid_dpop_proof"]);
    }
  }
  await second.stop();
  const { port } = new URL(second.url);
  const env2 = { PUBLIC_URL: first.url };
  await again(() => pushBy(first));
  await first.stop();
  first = await cluster.startNode({
    port: Number(new URL(first.url).port),
    dataDir: first.dataDir,
  });
  second = await cluster.startNode({ port: Number(port), env: env2 });
  for (const node of [first, second]) expect(await replayOn(node)).toEqual([401, "use_dpop_nonce"]);
  expect((await again(() => pushBy(second))).status).toBe(200);
}, 90_000);
