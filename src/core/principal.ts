/** Who a call comes from, as authentication found it. */
import { createContextKey } from "@connectrpc/connect";

/** Beginning of the ids of people: `person:<uid>`. Client ids hold no colon. */
export const PERSON_PREFIX = "person:";

/** What a caller proved who it is with. */
export type CredentialKind =
  /** An access token of the token endpoint: a JWT. */
  | "access-token"
  /** A personal or service token, `trib_…`. */
  | "token"
  /** A session of a person, in a cookie. */
  | "session";

interface Caller {
  /** Who it is, in grants, logs and idempotency: see the kinds. */
  readonly id: string;
  readonly credential: CredentialKind;
  /** Identity of the credential, for revocation: `jti`, uid of the token, uid of the session. */
  readonly tokenId: string;
  /** Infinity for a credential without an end. */
  readonly expiresAtMs: number;
  /** The resource that the credential may touch, with all below it; undefined for no bound. */
  readonly boundTo?: string;
}

/** An application with an access token. */
export interface ApplicationPrincipal extends Caller {
  readonly kind: "application";
  /** OAuth2 client id. */
  readonly id: string;
  /** Project that the application belongs to. */
  readonly projectUid: string;
  /** What the token allows, such as `api:use-streams-write`. */
  readonly operations: ReadonlySet<string>;
  /** Thumbprint of the key that the token is bound to: who sends it must prove to hold it. */
  readonly boundKey?: string;
}

/** A person with a session, or with a personal token. */
export interface PersonPrincipal extends Caller {
  readonly kind: "person";
  /** `person:<uid>`. */
  readonly id: string;
  /** People belong to no project. */
  readonly projectUid?: undefined;
  /** What a personal token allows; undefined for everything, as in a session. */
  readonly operations?: ReadonlySet<string>;
  /** Role (as AccessRule.Role) above which a personal token gives none; undefined for no limit. */
  readonly roleMax?: number;
}

/** A service token: nobody but itself, with a role of its own where it is bound to. */
export interface TokenPrincipal extends Caller {
  readonly kind: "token";
  /** `token:<uid>`. */
  readonly id: string;
  /** Project of what it is bound to. */
  readonly projectUid: string;
  readonly operations: ReadonlySet<string>;
  readonly boundTo: string;
  /** As AccessRule.Role, on `boundTo` and all below it. */
  readonly role: number;
}

/** An authenticated caller. */
export type Principal = ApplicationPrincipal | PersonPrincipal | TokenPrincipal;

/** Where interceptors leave the caller for handlers; undefined on public rpcs. */
export const principalKey = createContextKey<Principal | undefined>(undefined);

/** Whose turn and share a caller's work counts in: its project, for people their own. */
export function shareOf(principal: Principal): string {
  return principal.projectUid ?? principal.id;
}

/** Whether a credential may touch a resource of this name, as far as its bound goes. */
export function isWithinBound({ boundTo }: Pick<Principal, "boundTo">, name: string): boolean {
  return boundTo === undefined || name === boundTo || name.startsWith(`${boundTo}/`);
}

/** How records that came with a credential say what it was. */
export function authenticationOf({ credential }: Pick<Principal, "credential">): string {
  return credential === "access-token" ? "oauth2" : credential;
}
