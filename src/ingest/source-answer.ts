/** The answer to a request that a source took. */
import type { PushResult } from "./push-call.ts";
import type { LaneResponse } from "./push-lane.ts";

/** What became of its records. */
export type SourceResult = Partial<PushResult> & {
  /** How many were refused and kept. */
  readonly quarantined: number;
};

/** Sends it as JSON: 64-bit integers as text, and nothing that does not apply. */
export function sendSourceResult(response: LaneResponse, result: SourceResult): void {
  const body = JSON.stringify({
    accepted: String(result.accepted ?? 0n),
    duplicate: result.duplicate || undefined,
    firstPlace: result.firstPlace || undefined,
    quarantined: result.quarantined > 0 ? String(result.quarantined) : undefined,
    durabilityWarning: result.durabilityWarning || undefined,
  });
  response.statusCode = 200;
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", String(Buffer.byteLength(body)));
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("cache-control", "no-store");
  response.end(body);
}
