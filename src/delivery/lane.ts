/**
 * One partition of one sink: which records wait, which requests are open, what is settled. Knows no
 * I/O, so every order and crash can be tested; `sink-worker.ts` does what it says.
 *
 * Every place below `next` is settled, or stands in an open request, in `replan`, or belongs to a
 * parked key. So the cursor needs no list of settled places (D5).
 */
import type { Place } from "../sinks/sink.ts";
import { type Batch, chooseBatch, type PlanInput } from "./lane-batch.ts";
import { bookExpired, type ExpiryTally, tallyUnsettled } from "./lane-loss.ts";
import {
  type LaneRequest,
  lastPlace,
  newRequest,
  pushedBytes,
  rangesOf,
  sendableOf,
} from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";
import { countDelivered, type DoneRequest, type LaneState, stateWith } from "./lane-state.ts";
import {
  type Resolution,
  reassignRequests,
  replaceRequest,
  splitRequest,
} from "./open-requests.ts";
import {
  comparePlaces,
  isWithin,
  laterPlace,
  type PlaceRange,
  placeAfter,
  placesAfter,
} from "./place.ts";
import { RowQueue } from "./row-queue.ts";

/** The state machine of a lane. */
export class Lane {
  readonly state: LaneState;
  /** Open requests in the order in which they were planned. */
  readonly requests: LaneRequest[];
  readonly pending = new RowQueue();
  /** When the oldest record of `pending` was read, in the time of `accept`. */
  pendingSinceMs = 0;
  /** Whether records of an open request were not there when it was read again. */
  isShort = false;
  /**
   * Whether records that are read pass by: the lane waits for long, and its sink goes on with other
   * partitions. `release` ends it; then reading begins again at `readFrom`.
   */
  isShelved = false;
  #ordinal = 0;
  /** Ranges below `next` that are to be planned anew: what was staged when the owner went. */
  #replan: PlaceRange[];
  /** Rows of open requests that are being read again. */
  readonly #loading = new Map<LaneRequest, LaneRow[]>();

  constructor(state: LaneState) {
    this.state = state;
    this.#replan = [...state.staged];
    const fresh = { rows: undefined, state: "ready", attempts: 0, failures: 0 } as const;
    this.requests = state.requests.map((request) => ({ ...request, ...fresh }));
  }

  /** Whether all that was read is settled; parked records may wait. */
  get isIdle(): boolean {
    if (this.pending.length > 0 || this.requests.length > 0) return false;
    return this.#replan.length === 0 && !this.isShelved;
  }

  /** First sequence that must be read (again) for this lane. */
  get readFrom(): number {
    let sequence = this.state.next.sequence;
    for (const request of this.requests) {
      if (request.rows || request.state === "staged") continue;
      sequence = Math.min(sequence, request.ranges[0]!.from.sequence);
    }
    for (const range of this.#replan) sequence = Math.min(sequence, range.from.sequence);
    return Math.min(sequence, this.state.parked.lowestResuming?.sequence ?? sequence);
  }

  /** Takes the records of a message, in the order of the log; `isPassing` is the sink's filter. */
  accept(rows: readonly LaneRow[], nowMs: number, isPassing?: (row: LaneRow) => boolean): void {
    if (this.isShelved) return;
    const { next } = this.state;
    for (const row of rows) {
      this.#ordinal += 1;
      // Places are compared only within the message of `next`: they are made anew each time.
      const isBelow =
        row.sequence < next.sequence ||
        (row.sequence === next.sequence && row.place.index < next.index);
      if (isBelow && !this.#isWanted(row)) continue;
      if (this.pending.length === 0) this.pendingSinceMs = nowMs;
      this.pending.push(row, this.#ordinal, isPassing?.(row));
    }
  }

  /** Whether a record below `next` is to be planned; one of an open request is put there instead. */
  #isWanted(row: LaneRow): boolean {
    for (const request of this.requests) {
      if (!isWithin(request.ranges, row.place)) continue;
      if (!request.rows && request.state !== "staged") {
        const rows = this.#loading.get(request) ?? [];
        this.#loading.set(request, rows);
        rows.push(row);
      }
      return false;
    }
    return isWithin(this.#replan, row.place) || this.state.parked.isResuming(row);
  }

  /** Says that every message of the log below this sequence was accepted. */
  passed(position: number): void {
    if (this.isShelved) return;
    for (const request of [...this.requests]) this.#load(request, position);
    const { next } = this.state;
    const isBelow = comparePlaces({ sequence: position, index: 0 }, next) < 0;
    if (this.pending.length > 0 || isBelow) return;
    this.#replan = [];
    if (this.state.parked.endResuming()) this.state.revision += 1;
    this.state.next = laterPlace(next, { sequence: position, index: 0 });
  }

  /** Makes a request whole that was read again. */
  #load(request: LaneRequest, position: number): void {
    if (request.rows || request.state === "staged") return;
    if (lastPlace(request).sequence >= position) return;
    request.rows = this.#loading.get(request) ?? [];
    this.#loading.delete(request);
    if (request.rows.length < request.count) {
      this.isShort = true;
      request.count = request.rows.length;
    }
    if (request.rows.some((row) => this.state.parked.isParked(row))) {
      replaceRequest(this, request, (row) => !this.state.parked.isParked(row));
    }
  }

  /** Forgets what was read and is not being sent, to read it again later (D5). */
  release(): void {
    this.shelve(0);
    this.isShelved = false;
  }

  /** Forgets the same but for the first `keep` requests, and lets pass by what is read from now on. */
  shelve(keep: number): void {
    this.isShelved = true;
    this.pending.clear();
    this.#loading.clear();
    let open = 0;
    for (const request of this.requests) {
      if (request.state === "staged") continue;
      open += 1;
      if (request.state !== "sending" && open > keep) request.rows = undefined;
    }
  }

  /** Plans one request from what waits; undefined when no batch is complete (or nothing waits). */
  plan(input: PlanInput): LaneRequest | undefined {
    this.#skipParked();
    const { pending, pendingSinceMs } = this;
    const hasUnsent = this.requests.some((r) => r.state === "planned" || r.state === "ready");
    const { parked } = this.state;
    const batch = chooseBatch({ pending, parked, pendingSinceMs, hasUnsent }, input);
    if (!batch) return undefined;
    pending.drop(batch.length);
    this.pendingSinceMs = input.nowMs;
    return this.#open(batch);
  }

  #open({ plan, rows, ordinals, last }: Batch): LaneRequest {
    const request = newRequest({
      number: this.state.nextRequest++,
      version: plan.version.version,
      ranges: rangesOf(rows, (i) => ordinals[i] === ordinals[i - 1]! + 1),
      rows,
    });
    this.requests.push(request);
    this.#replan = placesAfter(this.#replan, last);
    this.state.parked.advance(last);
    if (comparePlaces(last, this.state.next) >= 0) this.state.parked.endResuming();
    this.#moveNext(last);
    return request;
  }

  /** Records of parked keys at the head pass: they are found again from their key's first place. */
  #skipParked(): void {
    let count = 0;
    for (; count < this.pending.length; count++) {
      const row = this.pending.at(count)!;
      if (!this.state.parked.isParked(row)) break;
      this.#moveNext(row.place);
    }
    this.pending.drop(count);
  }

  #moveNext(place: Place): void {
    this.state.next = laterPlace(this.state.next, placeAfter(place));
  }

  /** Requests that may be sent now, in order: no key of theirs is in an earlier open request (D2). */
  sendable(concurrency: number): LaneRequest[] {
    return sendableOf(this.requests, concurrency);
  }

  /** Settles records of a request; gives the request that the rest of them is now, if any. */
  resolve(request: LaneRequest, { delivered, held, filtered, isKeyBlocked }: Resolution) {
    const { counts, parked } = this.state;
    countDelivered(this.state, delivered);
    counts.held += held.length;
    counts.filtered += filtered.length;
    this.state.version = request.version;
    this.state.revision += 1;
    const isDone = delivered.length + filtered.length === (request.rows?.length ?? 0);
    if (isDone) return replaceRequest(this, request);
    const done = new Set([...delivered, ...held, ...filtered]);
    if (isKeyBlocked && held.length > 0) {
      const waiting = this.requests.flatMap((r) => (r.rows ?? []).filter((row) => !done.has(row)));
      parked.park({ held, request, waiting });
    }
    const rest = replaceRequest(this, request, (row) => !done.has(row) && !parked.isParked(row));
    for (const other of [...this.requests]) {
      if (other.state === "sending" || !other.rows?.some((row) => parked.isParked(row))) continue;
      replaceRequest(this, other, (row) => !parked.isParked(row));
    }
    return rest;
  }

  /** Marks a request as taken by the destination and settled later; its rows are let go. */
  stage(request: LaneRequest): void {
    request.state = "staged";
    request.stagedBytes = pushedBytes(request.rows);
    request.rows = undefined;
  }

  /** Settles a request that was staged. */
  settleStaged(request: LaneRequest): void {
    this.state.counts.delivered += request.count;
    this.state.counts.deliveredBytes += request.stagedBytes ?? 0;
    this.state.revision += 1;
    replaceRequest(this, request);
  }

  /** Halves a request that was refused as a whole. */
  split(request: LaneRequest): void {
    splitRequest(this, request);
  }

  /** Moves requests to the version that applies to them now; gives whether there were some to move. */
  reassign(versionAt: (sequence: number) => number): boolean {
    return reassignRequests(this, versionAt);
  }

  /** Lets parked keys go on: their records are read again from the lowest place, in one pass. */
  unpark(hashes: Iterable<number>): void {
    this.state.revision += this.state.parked.resume(hashes);
  }

  /**
   * Counts held records as replayed (so many bytes of them) or discarded, and remembers that their copies are
   * to go.
   */
  releaseHeld(places: readonly Place[], to: "replayed" | "discarded", bytes = 0): void {
    this.state.counts[to] += places.length;
    this.state.counts.deliveredBytes += bytes;
    this.state.released = [...this.state.released, ...places];
  }

  /** Adds those of a message's records that are not settled to the tally. */
  tally(rows: readonly LaneRow[], tally: ExpiryTally): void {
    tallyUnsettled(
      { state: this.state, requests: this.requests, replan: this.#replan },
      rows,
      tally,
    );
  }

  /**
   * Books what was tallied of everything below a sequence as expired, and forgets its places. Nothing
   * may be under way. The only other booking is `expire`, by the word of the sink's owner.
   */
  expireBelow(sequence: number, tally: ExpiryTally): void {
    const { state, requests } = this;
    this.#replan = bookExpired({ state, requests, replan: this.#replan }, sequence, tally);
    this.release();
  }

  /** Counts records that are gone, because the owner of the sink has said so. */
  expire(count: number): void {
    this.state.counts.expired += count;
    this.state.revision += 1;
  }

  /** The lane as a cursor holds it; with `done`, as it will be once those requests are delivered. */
  snapshot(done: readonly DoneRequest[] = []): LaneState {
    return stateWith(this.state, { requests: this.requests, replan: this.#replan, done });
  }
}
