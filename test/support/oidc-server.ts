import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

/** What the provider says of a person, by the name that they log in with. */
export type OidcAccounts = Record<string, { readonly [claim: string]: unknown }>;

/** A real OpenID provider on loopback. */
export interface OidcServer {
  readonly issuer: string;
  readonly accounts: OidcAccounts;
  close(): Promise<void>;
}

/** How it is set up. */
export interface OidcServerOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly accounts: OidcAccounts;
  /** Seconds that a code is good for; 60. */
  readonly codeSeconds?: number;
}

/** Starts one. It puts e-mail addresses into the userinfo answer, as OpenID Connect wants of it. */
export async function startOidcServer(options: OidcServerOptions): Promise<OidcServer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { accounts } = options;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: options.clientId,
        client_secret: options.clientSecret,
        redirect_uris: [options.redirectUri],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    cookies: { keys: ["of the test"] },
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    findAccount: (_: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ ...accounts[id], sub: id }),
    }),
    pkce: { required: () => true },
    ttl: {
      AuthorizationCode: options.codeSeconds ?? 60,
      AccessToken: 600,
      IdToken: 600,
      Interaction: 600,
      Session: 600,
      Grant: 600,
    },
  });
  server.on("request", provider.callback());
  return {
    issuer,
    accounts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As much of a browser as signing in takes: cookies by host and port, and redirects by hand. */
export interface Browser {
  request(url: string, init?: RequestInit): Promise<Response>;
  /** Follows redirects until one leads to an address that begins with `end`, and gives that address. */
  follow(url: string, end: string): Promise<string>;
  /** Goes through the provider's pages as a person does; gives the address it sends them back to. */
  logIn(start: string, login: string, callback: string): Promise<string>;
  cookies(url: string): Map<string, string>;
}

/** A browser without cookies. */
export function createBrowser(): Browser {
  const jars = new Map<string, Map<string, string>>();
  const cookies = (url: string) => {
    const { host } = new URL(url);
    if (!jars.has(host)) jars.set(host, new Map());
    return jars.get(host)!;
  };
  const request: Browser["request"] = async (url, init = {}) => {
    const jar = cookies(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...(init.headers as Record<string, string>), ...(cookie && { cookie }) };
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ""] = line.split(";", 1);
      const [name = "", value = ""] = [pair.split("=", 1)[0], pair.slice(pair.indexOf("=") + 1)];
      if (value === "" || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  };
  const locationOf = async (url: string, response: Response) => {
    const location = response.headers.get("location");
    if (location === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return new URL(location, url).href;
  };
  const follow: Browser["follow"] = async (url, end) => {
    let at = url;
    for (let i = 0; i < 10; i++) {
      at = await locationOf(at, await request(at));
      if (at.startsWith(end)) return at;
    }
    throw new Error(`${url} leads to ${at}, and not to ${end}`);
  };
  const submit = async (page: string, fields: Record<string, string>) => {
    const body = new URLSearchParams(fields);
    return await locationOf(page, await request(page, { method: "POST", body }));
  };
  return {
    request,
    follow,
    cookies,
    async logIn(start, login, callback) {
      const first = await locationOf(start, await request(start));
      const { origin } = new URL(first);
      // Signed out at the provider, which would else ask nothing.
      cookies(origin).clear();
      const loginPage = await follow(first, `${origin}/interaction/`);
      const resumed = await submit(loginPage, { prompt: "login", login, password: "any" });
      const consentPage = await follow(resumed, `${origin}/interaction/`);
      return await follow(await submit(consentPage, { prompt: "consent" }), callback);
    },
  };
}
