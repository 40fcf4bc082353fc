import type { RowOutcome, SinkRequest } from "./sink.ts";

/** Requests that failed in part, remembered at once; beyond them the oldest is sent again whole (D5). */
const REQUESTS_MAX = 256;

/** Outcomes of the rows of a request, by index; undefined for what is still to be sent. */
export type RowProgress = (RowOutcome | undefined)[];

/** What came of requests that failed in part, so that a repeat sends only the rest. */
export interface Progress {
  /** The outcomes that are known of a request. */
  of(request: SinkRequest): RowProgress;
  /** Forgets a request that is done. */
  end(request: SinkRequest): void;
}

/** Makes it, empty: after a restart requests are sent again whole. */
export function createProgress(): Progress {
  const known = new Map<string, { readonly rows: string; readonly outcomes: RowProgress }>();
  return {
    of(request) {
      // A request that lost rows since (its records were held, or expired) is another one.
      const rows = request.rows.map((row) => row.recordId).join();
      const found = known.get(request.id);
      if (found?.rows === rows) return found.outcomes;
      const outcomes: RowProgress = new Array(request.rows.length).fill(undefined);
      known.delete(request.id);
      known.set(request.id, { rows, outcomes });
      if (known.size > REQUESTS_MAX) known.delete(known.keys().next().value!);
      return outcomes;
    },
    end(request) {
      known.delete(request.id);
    },
  };
}
