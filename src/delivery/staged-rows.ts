/** Rows that a destination took but has not settled (`staged`), until a flush settles them. */
import type { Place } from "../sinks/sink.ts";
import type { LaneRequest } from "./lane-request.ts";
import type { LaneRun } from "./lane-run.ts";
import type { VersionPlan } from "./version-table.ts";

/** Requests that are staged at once, for the cursor names their places (D5). */
const REQUESTS_MAX = 2_000;

/** Why staged rows are flushed. */
export type FlushReason = "time" | "bytes" | "count" | "close";

interface StagedRequest {
  readonly run: LaneRun;
  readonly request: LaneRequest;
  /** A sequence belongs to one partition, so it tells the requests of lanes apart. */
  readonly sequences: ReadonlySet<number>;
  left: number;
}

/** The staged rows of one sink. */
export class StagedRows {
  #requests: StagedRequest[] = [];
  #count = 0;
  #bytes = 0;
  #sinceMs = 0;
  #plan: VersionPlan | undefined;

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** Remembers a request whose rows are all staged; call before its rows are let go. */
  add(run: LaneRun, request: LaneRequest, { plan, nowMs }: { plan: VersionPlan; nowMs: number }) {
    const rows = request.rows ?? [];
    if (this.isEmpty) this.#sinceMs = nowMs;
    this.#plan = plan;
    this.#count += rows.length;
    for (const row of rows) this.#bytes += row.jsonBytes;
    const sequences = new Set(rows.map((row) => row.place.sequence));
    this.#requests.push({ run, request, sequences, left: rows.length });
  }

  /** Why a flush is due now; undefined when none is. */
  due(nowMs: number): FlushReason | undefined {
    if (this.isEmpty || !this.#plan) return undefined;
    if (this.#count >= this.#plan.countMax || this.#requests.length >= REQUESTS_MAX) return "count";
    if (this.#bytes >= this.#plan.bytesMax) return "bytes";
    return nowMs >= this.dueAtMs ? "time" : undefined;
  }

  /** When a flush is due for time. */
  get dueAtMs(): number {
    return this.isEmpty ? Number.POSITIVE_INFINITY : this.#sinceMs + (this.#plan?.flushMs ?? 0);
  }

  /** Settles what a flush made durable: requests are settled whole. */
  settle(places: readonly Place[], nowMs: number): void {
    const bySequence = new Map<number, StagedRequest>();
    for (const staged of this.#requests) {
      for (const sequence of staged.sequences) {
        // Several requests may share the records of one message: they are settled oldest first.
        if (!bySequence.has(sequence)) bySequence.set(sequence, staged);
      }
    }
    for (const place of places) {
      const staged = this.#holderOf(place, bySequence);
      if (staged) staged.left -= 1;
    }
    const rest = this.#requests.filter((staged) => staged.left > 0);
    for (const staged of this.#requests) {
      if (staged.left <= 0) staged.run.lane.settleStaged(staged.request);
    }
    this.#restart(rest, nowMs);
  }

  #holderOf(place: Place, bySequence: Map<number, StagedRequest>): StagedRequest | undefined {
    const first = bySequence.get(place.sequence);
    if (!first || first.left > 0) return first;
    return this.#requests.find((r) => r.left > 0 && r.sequences.has(place.sequence));
  }

  /** Forgets all of it, because the destination lost it: requests are to be read and sent again. */
  unstage(): void {
    for (const { request } of this.#requests) {
      request.state = "ready";
      request.rows = undefined;
    }
    this.#restart([], 0);
  }

  #restart(rest: StagedRequest[], nowMs: number): void {
    this.#requests = rest;
    this.#count = rest.reduce((sum, staged) => sum + staged.left, 0);
    if (rest.length === 0) this.#bytes = 0;
    this.#sinceMs = nowMs;
  }
}
