/**
 * Requests to targets that keep the cursor: they go in order, and in a pipelined target the next one is under way
 * before the one ahead of it is answered. It assumes that all rows of that one are delivered; where that does not
 * come true its target stores nothing of it (D1, D2), and it goes again.
 */
import type { Lane } from "./lane.ts";
import type { FilteredRows, LaneRequest } from "./lane-request.ts";
import type { DoneRequest, LaneState } from "./lane-state.ts";
import { replaceRequest } from "./open-requests.ts";

/** The request that may be sent now, if any; with those under way at most `depth`. */
export function sendableInOrder({ requests }: Lane, depth: number): LaneRequest[] {
  let ahead: LaneRequest | undefined;
  let open = 0;
  for (const request of requests) {
    if (request.state === "staged") continue;
    if (request.state === "sending" && request.filteredAhead !== undefined) {
      ahead = request;
      open += 1;
      continue;
    }
    if (request.state !== "ready" || !request.rows) return [];
    return ahead && (open >= depth || ahead.version !== request.version) ? [] : [request];
  }
  return [];
}

/** A lane as a target is to keep it with a request. */
export interface LaneAfter {
  readonly state: LaneState;
  /** The request ahead; undefined for none. */
  readonly ahead: LaneRequest | undefined;
}

/**
 * The lane once a request, of which the filter leaves out so much, and those under way ahead of it are delivered;
 * undefined when one ahead is not under way any more: then the request must wait for it.
 */
export function laneAfter(
  lane: Lane,
  request: LaneRequest,
  filtered: FilteredRows,
): LaneAfter | undefined {
  const done: DoneRequest[] = [];
  for (const each of lane.requests) {
    if (each === request) break;
    if (each.state === "staged") continue;
    if (each.filteredAhead === undefined) return undefined;
    done.push({ request: each, ...each.filteredAhead });
  }
  const ahead = done.at(-1)?.request;
  return { state: lane.snapshot([...done, { request, ...filtered }]), ahead };
}

/** Takes a request back of which its target stored nothing, because of what came of the one ahead. */
export function takeBack(lane: Lane, request: LaneRequest): void {
  const { parked } = lane.state;
  request.state = "ready";
  if (!request.rows?.some((row) => parked.isParked(row))) return;
  replaceRequest(lane, request, (row) => !parked.isParked(row));
}
