/** Refusals in the words of RFC 6749 section 5.2, before they become an HTTP or a Connect answer. */

/** The error codes there are; RFC 7009 and RFC 7662 use the same ones. */
export type OAuthErrorCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "unauthorized_client"
  | "unsupported_grant_type"
  | "invalid_scope";

/** A refusal of the token, introspection or revocation endpoint. */
export class OAuthError extends Error {
  readonly code: OAuthErrorCode;
  /** After too many wrong secrets: when to try again. */
  readonly retryAfterMs: number | undefined;

  /** `description` is for the client's developer: printable ASCII, no quotes, no secrets. */
  constructor(code: OAuthErrorCode, description: string, retryAfterMs?: number) {
    super(description);
    this.name = "OAuthError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}
