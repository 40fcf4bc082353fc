/**
 * One partition of one sink: which records wait, which requests are open, what is settled. Knows no
 * I/O, so every order and crash can be tested; `sink-worker.ts` does what it says.
 *
 * Every place below `next` is settled, or stands in an open request, in `replan`, or belongs to a
 * parked key. So the cursor needs no list of settled places (D5).
 */
import type { Place } from "../sinks/sink.ts";
import {
  addKeys,
  keepRows,
  type LaneRequest,
  lastPlace,
  newRequest,
  rangesOf,
  sharesKey,
} from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";
import type { LaneState, PlannedRange } from "./lane-state.ts";
import { advanceResuming, endResuming, isParked, isResuming, parkKeys } from "./parked-keys.ts";
import {
  comparePlaces,
  isWithin,
  laterPlace,
  type PlaceRange,
  placeAfter,
  placesAfter,
} from "./place.ts";
import { RowQueue } from "./row-queue.ts";
import type { VersionPlan } from "./version-table.ts";

/** Rows of a request to a destination that gathers them itself. */
const STAGING_COUNT_MAX = 1_000;

/** What planning needs to know. */
export interface PlanInput {
  readonly versionAt: (sequence: number) => VersionPlan;
  /** Whether an incomplete batch may go now. */
  readonly isForced: boolean;
  /** Whether the destination gathers rows itself: then requests are small and go at once. */
  readonly isStaging: boolean;
  readonly nowMs: number;
}

/** What came of a request that was sent. What is neither delivered nor held is to be sent again. */
export interface Resolution {
  readonly delivered: readonly LaneRow[];
  /** Records whose copies are stored already (D1). */
  readonly held: readonly LaneRow[];
  readonly isKeyBlocked: boolean;
}

/** The state machine of a lane. */
export class Lane {
  readonly state: LaneState;
  /** Open requests in the order in which they were planned. */
  readonly requests: LaneRequest[];
  readonly pending = new RowQueue();
  /** When the oldest record of `pending` was read, in the time of `accept`. */
  pendingSinceMs = 0;
  #ordinal = 0;
  /** Ranges below `next` that are to be planned anew: what was staged when the owner went. */
  #replan: PlaceRange[];
  /** Rows of open requests that are being read again. */
  readonly #loading = new Map<LaneRequest, LaneRow[]>();

  constructor(state: LaneState) {
    this.state = state;
    this.#replan = [...state.staged];
    this.requests = state.requests.map((request) => ({
      ...request,
      rows: undefined,
      state: "ready",
      attempts: 0,
      failures: 0,
    }));
  }

  /** Whether all that was read is settled; parked records may wait. */
  get isIdle(): boolean {
    return this.pending.length === 0 && this.requests.length === 0 && this.#replan.length === 0;
  }

  /** First sequence that must be read (again) for this lane. */
  get readFrom(): number {
    let sequence = this.state.next.sequence;
    for (const request of this.requests) {
      if (request.rows || request.state === "staged") continue;
      sequence = Math.min(sequence, request.ranges[0]!.from.sequence);
    }
    for (const range of this.#replan) sequence = Math.min(sequence, range.from.sequence);
    for (const key of this.state.parked.values()) {
      if (key.isResuming) sequence = Math.min(sequence, key.first.sequence);
    }
    return sequence;
  }

  /** Takes the records of a message, in the order of the log. */
  accept(rows: readonly LaneRow[], nowMs: number): void {
    for (const row of rows) {
      this.#ordinal += 1;
      if (comparePlaces(row.place, this.state.next) < 0 && !this.#isWanted(row)) continue;
      if (this.pending.length === 0) this.pendingSinceMs = nowMs;
      this.pending.push(row, this.#ordinal);
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
    return isWithin(this.#replan, row.place) || isResuming(this.state.parked, row);
  }

  /** Says that every message of the log below this sequence was accepted. */
  passed(position: number): void {
    for (const request of [...this.requests]) this.#load(request, position);
    const { next } = this.state;
    if (this.pending.length > 0 || position < next.sequence) return;
    if (position === next.sequence && next.index > 0) return;
    this.#replan = [];
    if (endResuming(this.state.parked)) this.state.revision += 1;
    this.state.next = laterPlace(next, { sequence: position, index: 0 });
  }

  /** Makes a request whole that was read again; records that are gone by then have expired. */
  #load(request: LaneRequest, position: number): void {
    if (request.rows || request.state === "staged") return;
    if (lastPlace(request).sequence >= position) return;
    request.rows = this.#loading.get(request) ?? [];
    this.#loading.delete(request);
    if (request.rows.length < request.count) {
      this.expire(request.count - request.rows.length);
      request.count = request.rows.length;
    }
    if (request.rows.some((row) => isParked(this.state.parked, row))) {
      this.#replace(request, (row) => !isParked(this.state.parked, row));
    }
  }

  /** Forgets what was read and is not being sent, to read it again later (D5). */
  release(): void {
    this.pending.clear();
    this.#loading.clear();
    for (const request of this.requests) {
      if (request.state === "ready" || request.state === "planned") request.rows = undefined;
    }
  }

  /** Plans one request from what waits; undefined when no batch is complete (or nothing waits). */
  plan({ versionAt, isForced, isStaging, nowMs }: PlanInput): LaneRequest | undefined {
    const { pending } = this;
    this.#skipParked();
    const first = pending.at(0);
    if (!first) return undefined;
    const plan = versionAt(first.place.sequence);
    const newest = pending.at(pending.length - 1)!;
    const isPrompt = isStaging || plan.timeMs === 0;
    // What is there goes at once, but not in small pieces that would only wait for each other.
    const isDue = isPrompt ? !this.#hasUnsent() : nowMs - this.pendingSinceMs >= plan.timeMs;
    const countMax = isStaging ? Math.min(plan.countMax, STAGING_COUNT_MAX) : plan.countMax;
    const isShort = pending.length < countMax && pending.bytes < plan.bytesMax;
    if (!isDue && !isForced && isShort && versionAt(newest.place.sequence) === plan)
      return undefined;
    const rows: LaneRow[] = [];
    const ordinals: number[] = [];
    let bytes = 0;
    let at = 0;
    let isFull = false;
    const keys = new Set<number>();
    for (; at < pending.length && !isFull; at++) {
      const row = pending.at(at)!;
      if (isParked(this.state.parked, row)) continue;
      bytes += row.json.byteLength;
      const isOther = row !== first && versionAt(row.place.sequence) !== plan;
      // A key that is parked when a record is held must not have a later record in the same request.
      const isRepeated = plan.isKeyBlocked && row.keyHash !== undefined && keys.has(row.keyHash);
      isFull = rows.length > 0 && (isOther || isRepeated || bytes > plan.bytesMax);
      if (isFull) break;
      if (row.keyHash !== undefined && plan.isKeyBlocked) keys.add(row.keyHash);
      rows.push(row);
      ordinals.push(pending.ordinalAt(at));
      isFull = rows.length >= countMax || bytes >= plan.bytesMax;
    }
    if (!isDue && !isForced && !isFull) return undefined;
    const last = pending.at(at - 1)!.place;
    pending.drop(at);
    this.pendingSinceMs = nowMs;
    return this.#open(plan, { rows, ordinals, last });
  }

  #hasUnsent(): boolean {
    return this.requests.some((r) => r.state === "planned" || r.state === "ready");
  }

  #open(
    plan: VersionPlan,
    { rows, ordinals, last }: { rows: LaneRow[]; ordinals: number[]; last: Place },
  ): LaneRequest {
    const request = newRequest({
      number: this.state.nextRequest++,
      version: plan.version.version,
      ranges: rangesOf(rows, (i) => ordinals[i] === ordinals[i - 1]! + 1),
      rows,
    });
    this.requests.push(request);
    this.#replan = placesAfter(this.#replan, last);
    advanceResuming(this.state.parked, last);
    if (comparePlaces(last, this.state.next) >= 0) endResuming(this.state.parked);
    this.#moveNext(last);
    return request;
  }

  /** Records of parked keys at the head pass: they are found again from their key's first place. */
  #skipParked(): void {
    let count = 0;
    for (; count < this.pending.length; count++) {
      const row = this.pending.at(count)!;
      if (!isParked(this.state.parked, row)) break;
      this.#moveNext(row.place);
    }
    if (count > 0) this.pending.drop(count);
  }

  #moveNext(place: Place): void {
    this.state.next = laterPlace(this.state.next, placeAfter(place));
  }

  /** Requests that may be sent now, in order: no key of theirs is in an earlier open request (D2). */
  sendable(concurrency: number): LaneRequest[] {
    let room = concurrency - this.requests.filter((r) => r.state === "sending").length;
    const result: LaneRequest[] = [];
    const keys = new Set<number>();
    for (const request of this.requests) {
      if (room <= 0) break;
      if (request.state === "staged") continue;
      if (!request.rows) break;
      if (request.state === "ready" && !sharesKey(request, keys)) {
        result.push(request);
        room -= 1;
      } else if (concurrency === 1) break;
      if (room > 0) addKeys(request, keys);
    }
    return result;
  }

  /** Settles records of a request; gives the request that the rest of them is now, if any. */
  resolve(request: LaneRequest, { delivered, held, isKeyBlocked }: Resolution) {
    const { counts, parked } = this.state;
    counts.delivered += delivered.length;
    counts.held += held.length;
    for (const row of delivered) {
      if (row.arrivalTimeUs > this.state.lastDeliveredUs) {
        this.state.lastDeliveredUs = row.arrivalTimeUs;
      }
    }
    this.state.version = request.version;
    this.state.revision += 1;
    if (delivered.length === (request.rows?.length ?? 0)) return this.#replace(request);
    const done = new Set([...delivered, ...held]);
    if (isKeyBlocked && held.length > 0) {
      const waiting = this.requests.flatMap((r) => (r.rows ?? []).filter((row) => !done.has(row)));
      parkKeys(parked, { held, request, waiting });
    }
    const rest = this.#replace(request, (row) => !done.has(row) && !isParked(parked, row));
    for (const other of [...this.requests]) {
      if (other.state === "sending" || !other.rows?.some((row) => isParked(parked, row))) continue;
      this.#replace(other, (row) => !isParked(parked, row));
    }
    return rest;
  }

  /** Marks a request as taken by the destination and settled later; its rows are let go. */
  stage(request: LaneRequest): void {
    request.state = "staged";
    request.rows = undefined;
  }

  /** Settles a request that was staged. */
  settleStaged(request: LaneRequest): void {
    this.state.counts.delivered += request.count;
    this.state.revision += 1;
    this.#replace(request);
  }

  /** Halves a request that was refused as a whole. */
  split(request: LaneRequest): void {
    const half = Math.ceil(request.count / 2);
    const { version } = request;
    const parts = [true, false].map((isFirst) =>
      keepRows(request, (_row, i) => i < half === isFirst),
    );
    const halves = parts.map((part) =>
      newRequest({ ...part, number: this.state.nextRequest++, version }),
    );
    this.requests.splice(this.requests.indexOf(request), 1, ...halves);
    this.state.revision += 1;
  }

  /** Puts what `keep` leaves of a request into its place, as a new request. */
  #replace(request: LaneRequest, keep?: (row: LaneRow) => boolean): LaneRequest | undefined {
    const kept = keep ? keepRows(request, keep) : undefined;
    const rest =
      kept && kept.rows.length > 0
        ? newRequest({ ...kept, number: this.state.nextRequest++, version: request.version })
        : undefined;
    this.requests.splice(this.requests.indexOf(request), 1, ...(rest ? [rest] : []));
    return rest;
  }

  /**
   * Moves requests that are not under way to the version that applies to them now, because a later
   * one was saved for records that still wait; gives whether there were some.
   */
  reassign(versionAt: (sequence: number) => number): boolean {
    let isMoved = false;
    this.requests.forEach((request, i) => {
      if (request.state !== "planned" && request.state !== "ready") return;
      const version = versionAt(request.ranges[0]!.from.sequence);
      if (version <= request.version) return;
      const number = this.state.nextRequest++;
      this.requests[i] = {
        ...request,
        version,
        number,
        state: "planned",
        attempts: 0,
        failures: 0,
      };
      isMoved = true;
    });
    return isMoved;
  }

  /** Lets parked keys go on: their records are read again from the lowest place, in one pass. */
  unpark(hashes: Iterable<number>): void {
    for (const hash of hashes) {
      const key = this.state.parked.get(hash);
      if (key) key.isResuming = true;
    }
    this.state.revision += 1;
  }

  /** Counts held records as replayed or discarded, and remembers that their copies are to go. */
  releaseHeld(places: readonly Place[], to: "replayed" | "discarded"): void {
    this.state.counts[to] += places.length;
    this.state.released = [...this.state.released, ...places];
  }

  /** Counts records that retention took before they were settled. */
  expire(count: number): void {
    this.state.counts.expired += count;
    this.state.revision += 1;
  }

  /** The lane as a cursor holds it; with `after`, as it will be once that request is delivered. */
  snapshot(after?: LaneRequest): LaneState {
    const staged: PlaceRange[] = [...this.#replan];
    const requests: PlannedRange[] = [];
    for (const request of this.requests) {
      if (request === after) continue;
      if (request.state === "staged") staged.push(...request.ranges);
      else requests.push(request);
    }
    staged.sort((a, b) => comparePlaces(a.from, b.from));
    const counts = { ...this.state.counts };
    if (after) counts.delivered += after.count;
    return {
      ...this.state,
      counts,
      requests,
      staged,
      revision: this.state.revision + (after ? 1 : 0),
      version: after?.version ?? this.state.version,
    };
  }
}
