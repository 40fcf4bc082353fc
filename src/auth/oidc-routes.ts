/** `GET /auth/oidc/start` and `/auth/oidc/callback`: a browser's way through an external provider. */
import { ConnectError } from "@connectrpc/connect";
import {
  AuthorizationResponseError,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  OperationProcessingError,
  ResponseBodyError,
} from "oauth4webapi";
import { fail, reasonOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { FLOW_SECONDS, type OidcFlow, type OidcFlowCookie, safeReturnTo } from "./oidc-flow.ts";
import type { ExternalIdentity, OidcProvider } from "./oidc-provider.ts";
import type { OAuth2Route } from "./token-routes.ts";
import type { SpendProof } from "./used-proofs.ts";

type Request = Parameters<OAuth2Route["handle"]>[0];
type Response = Parameters<OAuth2Route["handle"]>[1];

/** Where a sign-in comes from. */
export interface SignInOrigin {
  readonly address: string;
  readonly userAgent: string;
  /** The Cookie header, which may hold a session. */
  readonly cookie: string | undefined;
  /** What the person gave as the set-up token before they left for the provider. */
  readonly setupToken: string | undefined;
}

/** A person who is signed in now. */
export interface SignedIn {
  /** `people/{uid}`. */
  readonly person: string;
  readonly setCookie: string;
}

/** A sign-in or its refusal, for the audit log. */
export interface SignInEvent {
  readonly method: string;
  /** `people/{uid}`, or empty for nobody. */
  readonly resource: string;
  readonly code: string;
  readonly reason?: string | undefined;
  readonly address: string;
}

/** What the routes work with. */
export interface OidcRoutesOptions {
  readonly provider: OidcProvider;
  readonly flows: OidcFlowCookie;
  /** What comes back counts once, on every node. */
  readonly spendProof: SpendProof;
  /** Signs the person in. Fails with SIGN_IN_REFUSED and SIGN_UP_REFUSED. */
  readonly signIn: (identity: ExternalIdentity, origin: SignInOrigin) => Promise<SignedIn>;
  readonly audit: {
    begin(event: Omit<SignInEvent, "code">): Promise<{ readonly uid: string }>;
    dismiss(intent: { readonly uid: string }): Promise<void>;
    record(event: SignInEvent, intent: { readonly uid: string }): Promise<void>;
    noteRefusal(event: SignInEvent): void;
  };
  readonly publicUrl: () => string;
  readonly logger: Logger;
  readonly now: () => number;
}

const START = "/auth/oidc/start";
const CALLBACK = "/auth/oidc/callback";
const SETUP_TOKEN_MAX = 128;
const METHOD = "sign-in with an external provider";

/** The routes, for a browser: refusals are plain text that a person can read. */
export function createOidcRoutes(options: OidcRoutesOptions): readonly OAuth2Route[] {
  const { provider, flows, publicUrl, now } = options;
  return [
    route(options, START, async (request, response) => {
      const asked = urlOf(publicUrl(), request).searchParams;
      const setupToken = asked.get("setup_token")?.slice(0, SETUP_TOKEN_MAX);
      const flow: OidcFlow = {
        state: generateRandomState(),
        nonce: generateRandomNonce(),
        codeVerifier: generateRandomCodeVerifier(),
        returnTo: safeReturnTo(asked.get("return_to")),
        ...(setupToken !== undefined && { setupToken }),
        endMs: now() + FLOW_SECONDS * 1_000,
      };
      const location = await provider.authorizationUrl(flow);
      redirect(response, location.href, [flows.issue(flow)]);
    }),
    route(options, CALLBACK, async (request, response, address) => {
      const { cookie } = request.headers;
      const identity = await redeem(options, request);
      const userAgent = request.headers["user-agent"] ?? "";
      const signedIn = await signInAudited(options, identity.identity, {
        address,
        userAgent,
        cookie,
        setupToken: identity.setupToken,
      });
      redirect(response, `${publicUrl()}${identity.returnTo}`, [flows.clear(), signedIn.setCookie]);
    }),
  ];
}

async function signInAudited(
  { audit, signIn }: OidcRoutesOptions,
  identity: ExternalIdentity,
  origin: SignInOrigin,
): Promise<SignedIn> {
  const { address } = origin;
  const intent = await audit.begin({ method: METHOD, resource: "", address });
  try {
    const signedIn = await signIn(identity, origin);
    const event = { method: METHOD, resource: signedIn.person, code: "ok", address };
    await audit.record(event, intent);
    return signedIn;
  } catch (error) {
    // Of anything but a refusal nobody knows what it has changed: then it stays announced.
    if (refusalOf(error).status < 500) await audit.dismiss(intent);
    throw error;
  }
}

async function redeem(
  { flows, provider, spendProof, publicUrl }: OidcRoutesOptions,
  request: Request,
) {
  const flow = flows.read(request.headers.cookie);
  const callback = urlOf(publicUrl(), request);
  if (!flow || callback.searchParams.get("state") !== flow.state) {
    throw fail("SIGN_IN_REFUSED", "this sign-in was not begun in this browser, or is too old");
  }
  const isNew = await spendProof({ owner: "oidc state", jti: flow.state, endMs: flow.endMs });
  if (!isNew) throw fail("SIGN_IN_REFUSED", "this answer of the provider was used already");
  const { returnTo, setupToken } = flow;
  return { identity: await provider.redeem(callback, flow), returnTo, setupToken };
}

function route(
  { flows, logger, publicUrl, audit }: OidcRoutesOptions,
  path: string,
  work: (request: Request, response: Response, address: string) => Promise<void>,
): OAuth2Route {
  return {
    methods: ["GET"],
    path,
    async handle(request, response, { remoteAddress }) {
      try {
        await work(request, response, remoteAddress);
      } catch (error) {
        const { status, why } = refusalOf(error);
        // The fault may quote the provider: it is for the log alone.
        const refusal = { method: METHOD, resource: "", code: "permission_denied" };
        if (status < 500) {
          audit.noteRefusal({ ...refusal, reason: reasonOf(error), address: remoteAddress });
        } else logger.warn("a sign-in with the provider failed", { error });
        const text = `Sign-in did not work: ${why}.\nTry again: ${publicUrl()}${START}\n`;
        send(response, status, { "set-cookie": [flows.clear()] }, text);
      }
    },
  };
}

/** What went wrong, for the person: faults of the provider's answer say no more than their kind. */
function refusalOf(error: unknown): { readonly status: number; readonly why: string } {
  if (error instanceof ConnectError) {
    const reason = reasonOf(error);
    if (reason === "DATABASE_UNAVAILABLE") return { status: 503, why: "the database is away" };
    if (reason === undefined || reason === "INTERNAL")
      return { status: 500, why: "an error of the server" };
    return { status: 403, why: error.rawMessage };
  }
  if (error instanceof AuthorizationResponseError) {
    return { status: 403, why: "the provider refused it, or you did" };
  }
  if (error instanceof ResponseBodyError) {
    return { status: 403, why: "the provider does not take its code any more" };
  }
  if (error instanceof OperationProcessingError) {
    return { status: 403, why: "the provider's answer does not fit this sign-in" };
  }
  return {
    status: 502,
    why: "the provider cannot be reached, or its answer is not OpenID Connect",
  };
}

function redirect(response: Response, location: string, cookies: readonly string[]): void {
  send(response, 303, { location, "set-cookie": [...cookies] }, "");
}

function send(
  response: Response,
  status: number,
  headers: Readonly<Record<string, string | string[]>>,
  text: string,
): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = status;
  const all = {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    ...headers,
  };
  for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
  response.end(text);
}

function urlOf(publicUrl: string, request: Request): URL {
  return new URL(`${publicUrl}${request.url ?? "/"}`);
}
