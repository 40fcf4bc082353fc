/** Who a call comes from, as authentication found it. */
import { createContextKey } from "@connectrpc/connect";

/** An authenticated caller. */
export interface Principal {
  readonly kind: "application";
  /** OAuth2 client id. */
  readonly id: string;
  /** Project that the application belongs to. */
  readonly projectUid: string;
  /** What the token allows, such as `api:use-streams-write`. */
  readonly operations: ReadonlySet<string>;
  /** `jti` of the token. */
  readonly tokenId: string;
  readonly expiresAtMs: number;
}

/** Where interceptors leave the caller for handlers; undefined on public rpcs. */
export const principalKey = createContextKey<Principal | undefined>(undefined);
