/** Changes to the open requests of a lane. Each takes the place of the one that it was made from. */
import { keepRows, type LaneRequest, newRequest } from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";

/** The open requests of a lane, in the order in which they were planned, and their numbers. */
export interface OpenRequests {
  readonly requests: LaneRequest[];
  readonly state: { nextRequest: number; revision: number };
}

/** What came of a request that was sent. What is neither delivered nor held is to be sent again. */
export interface Resolution {
  readonly delivered: readonly LaneRow[];
  /** Records whose copies are stored already (D1). */
  readonly held: readonly LaneRow[];
  /** Records that the filter leaves out. */
  readonly filtered: readonly LaneRow[];
  readonly isKeyBlocked: boolean;
}

/** Puts what `keep` leaves of a request into its place, as a new request; without it, takes it out. */
export function replaceRequest(
  { requests, state }: OpenRequests,
  request: LaneRequest,
  keep?: (row: LaneRow) => boolean,
): LaneRequest | undefined {
  const kept = keep ? keepRows(request, keep) : undefined;
  const rest =
    kept && kept.rows.length > 0
      ? newRequest({ ...kept, number: state.nextRequest++, version: request.version })
      : undefined;
  requests.splice(requests.indexOf(request), 1, ...(rest ? [rest] : []));
  return rest;
}

/** Halves a request that was refused as a whole. */
export function splitRequest({ requests, state }: OpenRequests, request: LaneRequest): void {
  const half = Math.ceil(request.count / 2);
  const { version } = request;
  const parts = [true, false].map((isFirst) =>
    keepRows(request, (_row, i) => i < half === isFirst),
  );
  const halves = parts.map((part) => newRequest({ ...part, number: state.nextRequest++, version }));
  requests.splice(requests.indexOf(request), 1, ...halves);
  state.revision += 1;
}

/**
 * Moves requests that are not under way to the version that applies to them now, because a later one
 * was saved for records that still wait; gives whether there were some.
 */
export function reassignRequests(
  { requests, state }: OpenRequests,
  versionAt: (sequence: number) => number,
): boolean {
  let isMoved = false;
  requests.forEach((request, i) => {
    if (request.state !== "planned" && request.state !== "ready") return;
    const version = versionAt(request.ranges[0]!.from.sequence);
    if (version <= request.version) return;
    const number = state.nextRequest++;
    requests[i] = {
      ...request,
      version,
      number,
      state: "planned",
      isWriting: false,
      attempts: 0,
      failures: 0,
    };
    isMoved = true;
  });
  return isMoved;
}
