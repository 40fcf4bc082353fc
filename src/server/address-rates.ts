/** Limits of calls by the address they come from, in front of everything that costs something. */
import type { Http2ServerResponse } from "node:http2";
import { originOf } from "../core/client-origin.ts";
import { fail } from "../core/errors.ts";
import { type RateLimit, rateHeaders } from "../core/rate-limit.ts";
import { sendError, sendJson } from "./answer.ts";
import { sendGrpcError } from "./grpc-answer.ts";
import { type AnyRequest, type AnyResponse, isHttp2, pathOf } from "./http-message.ts";
import type { Lane } from "./route.ts";

/** A limit and the paths that it counts. */
export interface AddressRate {
  readonly limit: RateLimit;
  readonly counts: (path: string) => boolean;
}

/**
 * A lane that answers what is too much with 429, and otherwise leaves the request to those behind it,
 * with `RateLimit` headers on the answer. The first rate that counts a path is the one.
 */
export function createAddressRates(rates: readonly AddressRate[]): Lane {
  // Targets repeat, and most are of no rate: the last one is not looked for again.
  let lastTarget: string | undefined;
  let lastRate: AddressRate | undefined;
  return (request, response, call) => {
    if (request.url !== lastTarget || lastTarget === undefined) {
      const path = pathOf(request);
      lastRate = rates.find((each) => each.counts(path));
      lastTarget = request.url;
    }
    const rate = lastRate;
    if (!rate) return undefined;
    const { policy } = rate.limit;
    const state = rate.limit.take(originOf(call.remoteAddress));
    for (const [name, value] of Object.entries(rateHeaders(policy, state))) {
      response.setHeader(name, value);
    }
    if (state.waitMs === 0) return undefined;
    const text =
      `more than ${policy.calls} calls in ${policy.windowSeconds} s from this address: ` +
      `try again in ${Math.ceil(state.waitMs / 1000)} s`;
    refuse({ request, response, requestId: call.requestId, waitMs: state.waitMs }, text);
    return Promise.resolve();
  };
}

interface Refused {
  readonly request: AnyRequest;
  readonly response: AnyResponse;
  readonly requestId: string;
  readonly waitMs: number;
}

function refuse({ request, response, requestId, waitMs }: Refused, text: string): void {
  if (pathOf(request).startsWith("/oauth2/")) {
    // The form of RFC 6749 section 5.2, which has no code for this; the status says it.
    const body = { error: "temporarily_unavailable", error_description: text };
    const headers = { "retry-after": String(Math.ceil(waitMs / 1000)), pragma: "no-cache" };
    sendJson(response, { status: 429, body, headers });
    return;
  }
  const error = fail("RATE_EXCEEDED", text, { retryAfterMs: waitMs });
  if (
    isHttp2(request) &&
    /^application\/grpc(?:\+|$)/.test(request.headers["content-type"] ?? "")
  ) {
    sendGrpcError(response as Http2ServerResponse, error, requestId);
  } else sendError(response, error, { requestId });
}
