/** The limits of calls that the configuration sets. */
import type { ShareCounts } from "../auth/shared-counts.ts";
import type { Config } from "../config.ts";
import { fail } from "../core/errors.ts";
import {
  createRateLimit,
  type RateLimit,
  type RatePolicy,
  rateHeaders,
} from "../core/rate-limit.ts";
import type { AddressRate } from "../server/address-rates.ts";

const MINUTE = 60;
const SECOND = 1;

/** Heads of the paths of each kind, over plain HTTP and rpc. */
const TOKEN_PATHS = ["/oauth2/", "/tributary.oauth2.v1."];
const SIGN_IN_PATHS = [
  ...[
    ...["SignUp", "SignIn", "ChangePassword", "LookupInvitation", "AcceptInvitation"],
    ...["RequestPasswordReset", "ResetPassword"],
  ].map((rpc) => `/tributary.management.v1.AccountService/${rpc}`),
  ...["signUp", "signIn", "changePassword", "requestPasswordReset", "resetPassword"].map(
    (verb) => `/v1/account:${verb}`,
  ),
  "/v1/invitations:",
  "/auth/oidc/",
];
const PUSH_PATHS = ["/tributary.push.v1.", "/in/"];
const REST_PUSH = /^\/v1\/projects\/[^/]+\/streams\/[^/]+\/records$/;

const startsWith = (heads: readonly string[]) => (path: string) =>
  heads.some((head) => path.startsWith(head));

/** Limits by address; those that are off are left out. */
export function addressRates(config: Config, share: ShareCounts): AddressRate[] {
  const isPush = startsWith(PUSH_PATHS);
  const rates = [
    {
      policy: { name: "token", calls: config.TRIBUTARY_RATE_TOKEN, windowSeconds: MINUTE },
      counts: startsWith(TOKEN_PATHS),
    },
    {
      policy: { name: "sign-in", calls: config.TRIBUTARY_RATE_SIGN_IN, windowSeconds: MINUTE },
      counts: startsWith(SIGN_IN_PATHS),
    },
    {
      policy: { name: "address", calls: config.TRIBUTARY_RATE_PUSH_ADDRESS, windowSeconds: SECOND },
      counts: (path: string) => isPush(path) || REST_PUSH.test(path),
    },
  ];
  return rates
    .filter(({ policy }) => policy.calls > 0)
    .map(({ policy, counts }) => ({
      // Pushes are too many to tell others of, and cost little where they are refused.
      limit: policy.name === "address" ? createRateLimit(policy) : sharedRate(policy, share),
      counts,
    }));
}

function sharedRate(policy: RatePolicy, share: ShareCounts): RateLimit {
  const tell = share(`rate ${policy.name}`, (key, calls) => limit.add(key, calls));
  const limit = createRateLimit(policy, { onTaken: (key) => tell(key, 1) });
  return limit;
}

/** Refuses callers with too many pushes, and gives the headers for the others' answers. */
export type LimitCaller = (callerId: string) => Readonly<Record<string, string>>;

/** The limit of pushes by caller; undefined when it is off. Fails with RATE_EXCEEDED. */
export function callerRate({ TRIBUTARY_RATE_PUSH: calls }: Config): LimitCaller | undefined {
  if (calls === 0) return undefined;
  const limit = createRateLimit({ name: "caller", calls, windowSeconds: SECOND });
  return (callerId) => {
    const state = limit.take(callerId);
    const headers = rateHeaders(limit.policy, state);
    if (state.waitMs === 0) return headers;
    throw fail("RATE_EXCEEDED", `this caller may make ${calls} pushes a second to this node`, {
      headers,
      retryAfterMs: state.waitMs,
    });
  };
}

/** The limit of tokens by application; undefined when it is off. */
export function tokenRate(
  { TRIBUTARY_RATE_TOKEN: calls }: Config,
  share: ShareCounts,
): RateLimit | undefined {
  if (calls === 0) return undefined;
  return sharedRate({ name: "client", calls, windowSeconds: MINUTE }, share);
}
