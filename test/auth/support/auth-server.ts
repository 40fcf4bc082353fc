import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Auth, openAuth } from "../../../src/auth/auth.ts";
import type { OAuth2Route } from "../../../src/auth/token-routes.ts";
import type { Logger } from "../../../src/core/logger.ts";
import { type Database, openDatabase } from "../../../src/db/client.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { createTestDatabase } from "../../support/shared-servers.ts";
import { createMemoryDefinitions, type MemoryDefinitions } from "./memory-definitions.ts";

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export interface AuthNode {
  readonly auth: Auth;
  /** Also the issuer. */
  readonly url: string;
  close(): Promise<void>;
}

export interface AuthServer extends AuthNode {
  readonly definitions: MemoryDefinitions;
  readonly database: Database;
  /** What `Date.now()` is for the server, plus this. */
  clockOffsetMs: number;
  /** Address that the server takes callers to have. */
  callerAddress: string;
  /** Another node on the same database with the same issuer. */
  openNode(): Promise<AuthNode>;
  /** POST of a form to a path of the server. */
  post(
    path: string,
    form: Record<string, string> | string,
    headers?: Record<string, string>,
  ): Promise<Response>;
  /** A token, which must be given. */
  token(clientId: string, scope?: string): Promise<string>;
}

export function basic(clientId: string, secret = `secret of ${clientId}`): string {
  const encode = (text: string) => new URLSearchParams({ a: text }).toString().slice(2);
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString("base64")}`;
}

/** All of src/auth on a real Postgres behind a plain node:http server. */
export async function startAuthServer(): Promise<AuthServer> {
  const definitions = createMemoryDefinitions();
  const database = openDatabase({ url: await createTestDatabase(), logger: silent });
  await migrate(database, silent);
  const masterKey = randomBytes(32);
  const state = { clockOffsetMs: 0, callerAddress: "192.0.2.1" };
  let issuer = "";
  const open = async (): Promise<AuthNode> => {
    const auth = await openAuth({
      database,
      masterKey,
      definitions,
      issuer: () => issuer,
      logger: silent,
      now: () => Date.now() + state.clockOffsetMs,
      refreshMs: 100,
    });
    const server = await listen(auth.routes, () => state.callerAddress);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return {
      auth,
      url,
      async close() {
        auth.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  };
  const first = await open();
  issuer = first.url;
  const post: AuthServer["post"] = (path, form, headers = {}) =>
    fetch(first.url + path, {
      method: "POST",
      body: typeof form === "string" ? form : new URLSearchParams(form).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    });
  return Object.assign(state, {
    ...first,
    definitions,
    database,
    openNode: open,
    post,
    async token(clientId: string, scope?: string) {
      const answer = await post(
        "/oauth2/token",
        { grant_type: "client_credentials", ...(scope && { scope }) },
        { authorization: basic(clientId) },
      );
      if (answer.status !== 200) throw new Error(`token: ${answer.status} ${await answer.text()}`);
      return ((await answer.json()) as { access_token: string }).access_token;
    },
    async close() {
      await first.close();
      await database.close();
    },
  });
}

/** Serves the routes over plain HTTP. */
export async function listen(
  routes: readonly OAuth2Route[],
  address: () => string,
): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0];
    const route = routes.find((r) => r.path === path);
    if (!route) {
      response.writeHead(404).end();
      return;
    }
    route.handle(request, response, { remoteAddress: address() }).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
