/** Access tokens by OAuth2 client credentials (RFC 6749, section 4.4), kept until shortly before they end. */
import type { ClientCredentials } from "#gen/tributary/management/v1/sink_pb.js";
import type { GuardedFetch } from "./guarded-fetch.ts";
import { SinkFault, timeoutFault } from "./sink-fault.ts";

/** Tokens of one client. */
export interface TokenSource {
  /** A token that is good for a while; throws SinkFault when there is none to be had. */
  get(signal: AbortSignal): Promise<string>;
  /** The token was refused: the next `get` fetches another, unless that has happened already. */
  refused(token: string): void;
}

/** A token is renewed when less than this is left of it, or a fifth of its life where that is less. */
const EARLY_MS = 60_000;
/** Life of a token whose answer does not say (`expires_in` is only recommended). */
const LIFE_MS = 300_000;
const FETCH_MS = 10_000;

interface Token {
  readonly text: string;
  readonly untilMs: number;
}

/** Makes it; one fetch serves all who wait. */
export function createTokenSource(
  client: ClientCredentials,
  ask: GuardedFetch,
  nowMs: () => number,
): TokenSource {
  let token: Token | undefined;
  let fetching: Promise<Token> | undefined;
  const fetchOne = async () => {
    try {
      token = await fetchToken(client, ask, nowMs);
      return token;
    } finally {
      fetching = undefined;
    }
  };
  return {
    async get(signal) {
      signal.throwIfAborted();
      if (token && token.untilMs > nowMs()) return token.text;
      fetching ??= fetchOne();
      return (await untilAborted(fetching, signal)).text;
    },
    refused(text) {
      if (token?.text === text) token = undefined;
    },
  };
}

/** Others may wait for the same answer, so only the waiting ends at the signal. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const stop = () => aborted.reject(timeoutFault("asking for a token"));
  signal.addEventListener("abort", stop, { once: true });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function fetchToken(
  { tokenUrl, clientId, clientSecret, scopes, audience }: ClientCredentials,
  ask: GuardedFetch,
  nowMs: () => number,
): Promise<Token> {
  const basic = Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString("base64");
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  if (scopes.length > 0) body.set("scope", scopes.join(" "));
  if (audience) body.set("audience", audience);
  const headers = {
    authorization: `Basic ${basic}`,
    "content-type": "application/x-www-form-urlencoded",
    accept: "application/json",
  };
  const signal = AbortSignal.timeout(FETCH_MS);
  const answer = await ask(tokenUrl, { method: "POST", headers, body, signal }).catch(
    (cause: unknown) => {
      if (cause instanceof SinkFault) throw cause;
      const code = (cause as { code?: unknown }).code ?? "no answer in time";
      throw new SinkFault("CONNECTION_FAILED", `the token endpoint: ${String(code)}`, { cause });
    },
  );
  const said = await answer.json().catch(() => ({}));
  return tokenOf(answer.status, said as Record<string, unknown>, nowMs());
}

function tokenOf(status: number, said: Record<string, unknown>, nowMs: number): Token {
  const { access_token: text, token_type: type, expires_in: seconds, error } = said ?? {};
  if (status !== 200) {
    // RFC 6749, section 5.2: error codes are printable ASCII; anything longer is none.
    const code = typeof error === "string" && /^[!-~]{1,64}$/.test(error) ? `: ${error}` : "";
    const reason = status >= 400 && status < 500 ? "AUTHENTICATION_FAILED" : `HTTP_${status}`;
    throw new SinkFault(reason, `the token endpoint answered ${status}${code}`);
  }
  const isToken = typeof text === "string" && /^[\x21-\x7e]{1,8192}$/.test(text);
  if (!isToken || (typeof type === "string" && type.toLowerCase() !== "bearer")) {
    throw new SinkFault("AUTHENTICATION_FAILED", "the token endpoint answered without a token");
  }
  const lifeMs = Number(seconds) > 0 ? Number(seconds) * 1000 : LIFE_MS;
  return { text, untilMs: nowMs + lifeMs - Math.min(EARLY_MS, lifeMs / 5) };
}

/** Form encoding, which RFC 6749, section 2.3.1, asks for within Basic. */
function encode(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}
