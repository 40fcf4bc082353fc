/** Refusals in the words of RFC 6749 section 5.2, before they become an HTTP or a Connect answer. */

/** The error codes there are; RFC 7009 and RFC 7662 use the same ones. */
export type OAuthErrorCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "unauthorized_client"
  | "unsupported_grant_type"
  | "invalid_scope"
  /** RFC 9449 sections 5 and 8. */
  | "invalid_dpop_proof"
  | "use_dpop_nonce";

/** What may go with a refusal. */
export interface OAuthErrorOptions extends ErrorOptions {
  /** After too many wrong secrets: when to try again. */
  readonly retryAfterMs?: number;
  /** The parameter at fault, where it is one. */
  readonly parameter?: string;
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal of the token, introspection or revocation endpoint. */
export class OAuthError extends Error {
  readonly code: OAuthErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly parameter: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  /** `description` is for the client's developer: printable ASCII, no quotes, no secrets. */
  constructor(code: OAuthErrorCode, description: string, options: OAuthErrorOptions = {}) {
    super(description, options);
    this.name = "OAuthError";
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.parameter = options.parameter;
    this.headers = options.headers ?? {};
  }
}
