/** The OAuth2 endpoints over plain HTTP: form-encoded, with the errors of RFC 6749 section 5.2. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { ConnectError } from "@connectrpc/connect";
import { reasonOf, retryAfterMsOf } from "../core/errors.ts";
import { authorizationHeaders, headerValues } from "./authenticate.ts";
import type { ClientCall } from "./authenticate-client.ts";
import { BASIC_CHALLENGE } from "./challenge.ts";
import { readClientCredentials } from "./client-credentials.ts";
import { FormRefused, readForm } from "./form-body.ts";
import type { IssueToken } from "./issue-token.ts";
import { OAuthError, type OAuthErrorCode } from "./oauth-error.ts";
import { metadataPath, serverMetadata } from "./server-metadata.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { TokenDesk } from "./token-desk.ts";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** A plain HTTP route. It answers 405 itself, so it may be mounted for every method of its path. */
export interface OAuth2Route {
  readonly methods: readonly string[];
  readonly path: string;
  /** Rejects only for faults of the server. `remoteAddress` is the caller's, after trusted proxies. */
  handle(request: Request, response: Response, call: RouteCall): Promise<void>;
}

/** Where a request comes from, and what its answer names it. */
export interface RouteCall {
  readonly remoteAddress: string;
  readonly requestId?: string;
}

/** A client that was refused. */
export interface RefusedClient {
  /** Path of the endpoint. */
  readonly path: string;
  /** Who it said it was; unproven, at most 128 characters. */
  readonly clientId: string;
  /** An error code of RFC 6749. */
  readonly code: string;
  readonly call: RouteCall;
}

/** What the routes work with. */
export interface OAuth2RoutesOptions {
  readonly issueToken: IssueToken;
  readonly desk: TokenDesk;
  readonly keys: SigningKeys;
  /** Public URL, known once the port is open. */
  readonly issuer: () => string;
  /** Path of the public URL where it has one, such as `/tributary`. */
  readonly issuerPath?: string;
  /** Hears of clients that are not who they say, or may not do what they ask. */
  readonly onRefused?: ((refused: RefusedClient) => void) | undefined;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type Form = ReadonlyMap<string, string>;

/** A repeated one is refused; others are ignored. */
const PARAMETERS = [
  ...["grant_type", "scope", "client_id", "client_secret", "client_assertion"],
  ...["client_assertion_type", "token", "token_type_hint"],
];
const NO_STORE = { "cache-control": "no-store", pragma: "no-cache" };
const CACHEABLE = { "cache-control": "public, max-age=300" };

/** The routes `/oauth2/{token,introspect,revoke}` and those of `/.well-known/`. */
export function createOAuth2Routes(options: OAuth2RoutesOptions): readonly OAuth2Route[] {
  const { issueToken, desk, keys, issuer, issuerPath = "" } = options;
  const formRoute = (path: string, answerForm: AnswerForm) =>
    routeOfForm(path, answerForm, options.onRefused);
  const metadata = (path: string) =>
    getRoute(path, () => ({ status: 200, body: serverMetadata(issuer()), headers: CACHEABLE }));
  return [
    formRoute("/oauth2/token", async (form, client, request) => {
      const { nonce, ...body } = await issueToken({
        ...client,
        grantType: form.get("grant_type"),
        scope: form.get("scope"),
        proven: {
          proofs: headerValues(request.rawHeaders, "dpop"),
          method: "POST",
          url: `${issuer().replace(/\/$/, "")}/oauth2/token`,
        },
      });
      return { status: 200, body, ...(nonce && { headers: { "dpop-nonce": nonce } }) };
    }),
    formRoute("/oauth2/introspect", async (form, client) => ({
      status: 200,
      body: await desk.introspect({ ...client, token: form.get("token") }),
    })),
    formRoute("/oauth2/revoke", async (form, client) => {
      await desk.revoke({ ...client, token: form.get("token") });
      return { status: 200 };
    }),
    metadata(metadataPath()),
    ...(metadataPath(issuerPath) === metadataPath() ? [] : [metadata(metadataPath(issuerPath))]),
    getRoute("/.well-known/jwks.json", () => ({
      status: 200,
      body: { keys: keys.publicKeys() },
      headers: { ...CACHEABLE, "content-type": "application/jwk-set+json" },
    })),
  ];
}

type AnswerForm = (form: Form, client: ClientCall, request: Request) => Promise<Answer>;

/** Refusals that say who or what the client is; all others are mistakes in a request. */
const CLIENT_REFUSALS: readonly OAuthErrorCode[] = [
  "invalid_client",
  "invalid_grant",
  "unauthorized_client",
  "invalid_dpop_proof",
];

function routeOfForm(
  path: string,
  answerForm: AnswerForm,
  onRefused: OAuth2RoutesOptions["onRefused"],
): OAuth2Route {
  return {
    methods: ["POST"],
    path,
    async handle(request, response, call) {
      if (request.method !== "POST") return send(response, notAllowed("POST"));
      let client: ClientCall | undefined;
      try {
        const form = await readForm(request, PARAMETERS);
        client = {
          authorization: authorizationHeaders(request.rawHeaders),
          clientId: form.get("client_id"),
          clientSecret: form.get("client_secret"),
          clientAssertion: form.get("client_assertion"),
          clientAssertionType: form.get("client_assertion_type"),
          address: call.remoteAddress,
        };
        const answer = await answerForm(form, client, request);
        send(response, { ...answer, headers: { ...NO_STORE, ...answer.headers } });
      } catch (error) {
        if (error instanceof OAuthError && CLIENT_REFUSALS.includes(error.code)) {
          onRefused?.({ path, clientId: claimedId(client), code: error.code, call });
        }
        send(response, refusal(error));
      }
    },
  };
}

/** Who a client says it is, whatever else it sent. */
function claimedId(client: ClientCall | undefined): string {
  try {
    return client ? readClientCredentials(client).clientId.slice(0, 128) : "";
  } catch {
    return client?.clientId?.slice(0, 128) ?? "";
  }
}

function getRoute(path: string, answer: () => Answer): OAuth2Route {
  return {
    methods: ["GET", "HEAD"],
    path,
    async handle(request, response) {
      const isGet = request.method === "GET" || request.method === "HEAD";
      send(response, isGet ? answer() : notAllowed("GET, HEAD"));
    },
  };
}

function notAllowed(allow: string): Answer {
  const body = oauthBody("invalid_request", `use ${allow}`);
  return { status: 405, body, headers: { ...NO_STORE, allow } };
}

/** What a thrown value means on the wire; throws what is a fault of the server. */
function refusal(error: unknown): Answer {
  if (error instanceof OAuthError) {
    const { code, message, retryAfterMs } = error;
    const body = oauthBody(code, message);
    if (retryAfterMs !== undefined) return retryLater(429, body, retryAfterMs);
    const headers = { ...NO_STORE, "www-authenticate": BASIC_CHALLENGE };
    if (code === "invalid_client") return { status: 401, body, headers };
    return { status: 400, body, headers: { ...NO_STORE, ...error.headers } };
  }
  if (error instanceof FormRefused) {
    const body = oauthBody("invalid_request", error.message);
    return { status: error.status, body, headers: NO_STORE };
  }
  if (!(error instanceof ConnectError)) throw error;
  const status = { DATABASE_UNAVAILABLE: 503, TOO_MANY_ATTEMPTS: 429 }[String(reasonOf(error))];
  if (!status) throw error;
  // Not a code of RFC 6749 section 5.2, which has none for this; the status says it.
  const body = { error: "temporarily_unavailable", error_description: error.rawMessage };
  return retryLater(status, body, retryAfterMsOf(error) ?? 1_000);
}

function oauthBody(error: OAuthErrorCode, description: string) {
  return { error, error_description: description };
}

function retryLater(status: number, body: unknown, retryAfterMs: number): Answer {
  const seconds = String(Math.ceil(retryAfterMs / 1000));
  return { status, body, headers: { ...NO_STORE, "retry-after": seconds } };
}

function send(response: Response, { status, body, headers }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
  response.statusCode = status;
  const all = {
    ...(body !== undefined && { "content-type": "application/json" }),
    "x-content-type-options": "nosniff",
    ...headers,
    "content-length": String(bytes.byteLength),
  };
  for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
  if (response.req.method === "HEAD") response.end();
  else response.end(bytes);
}
