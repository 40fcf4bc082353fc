/** The lanes of one sink: what they hold together, and the barrier between generations. */
import type { LogMessage } from "../core/log.ts";
import { Lane } from "./lane.ts";
import type { ExpiryTally } from "./lane-loss.ts";
import type { LaneRow } from "./lane-row.ts";
import { createLaneRun, isSending, type LaneRun } from "./lane-run.ts";
import { type LaneState, lowestPlace, newLaneState, settledCount } from "./lane-state.ts";

/** The lanes of a sink, by partition; a partition gets one with its first record. */
export class LaneSet {
  readonly #runs = new Map<number, LaneRun>();
  readonly #logUid: string;
  #position: number;
  #generation = 0;
  /** Whether the sink's filter lets a record pass. */
  readonly #isPassing: ((row: LaneRow) => boolean) | undefined;
  /** Messages of another generation: they wait until this one is settled. */
  #barrier: { message: LogMessage; rows: readonly LaneRow[] }[] = [];

  constructor(logUid: string, position: number, isPassing?: (row: LaneRow) => boolean) {
    this.#logUid = logUid;
    this.#position = position;
    this.#isPassing = isPassing;
  }

  /** Asks of every record that waits whether it passes: the filter may have changed. */
  judge(): void {
    const isPassing = this.#isPassing;
    if (isPassing) for (const { lane } of this.all()) lane.pending.judge(isPassing);
  }

  /** All lanes. */
  all(): Iterable<LaneRun> {
    return this.#runs.values();
  }

  /** The lane of a partition; makes one that begins where reading is. */
  get(partition: number): LaneRun {
    const known = this.#runs.get(partition);
    if (known) return known;
    return this.put(newLaneState(this.#logUid, partition, this.#position));
  }

  /** Replaces the lane of a partition by one in this state. */
  put(state: LaneState): LaneRun {
    clearTimeout(this.#runs.get(state.partition)?.timer);
    const run = createLaneRun(new Lane(state));
    this.#runs.set(state.partition, run);
    this.#generation = Math.max(this.#generation, state.generation);
    return run;
  }

  /** Takes a message in the order of the log. */
  accept(message: LogMessage, rows: readonly LaneRow[], nowMs: number): void {
    if (this.#isPast(message)) return;
    if (this.#barrier.length > 0) this.#barrier.push({ message, rows });
    else if (this.#isOther(message) && !this.isIdle) this.#barrier.push({ message, rows });
    else this.#take(message, rows, nowMs);
  }

  /** Says that all messages below a sequence were accepted; gives those that waited to their lanes. */
  passed(position: number, nowMs: number): void {
    this.#position = this.#barrier[0]?.message.sequence ?? position;
    for (const { lane } of this.all()) lane.passed(this.#position);
    while (this.#barrier.length > 0) {
      const { message, rows } = this.#barrier[0]!;
      if (this.#isOther(message) && !this.isIdle) break;
      this.#barrier.shift();
      this.#take(message, rows, nowMs);
      this.#position = this.#barrier[0]?.message.sequence ?? position;
    }
  }

  /** Whether a message of an earlier generation is read again, only to be counted. */
  #isPast({ generation, partition, sequence }: LogMessage): boolean {
    if (generation >= this.#generation) return false;
    return sequence < (this.#runs.get(partition)?.lane.state.next.sequence ?? this.#position);
  }

  #isOther(message: LogMessage): boolean {
    return this.#generation !== 0 && message.generation !== this.#generation;
  }

  #take(message: LogMessage, rows: readonly LaneRow[], nowMs: number): void {
    this.#generation = message.generation;
    const { lane } = this.get(message.partition);
    lane.state.generation = message.generation;
    lane.accept(rows, nowMs, this.#isPassing);
  }

  /**
   * Forgets what was read and is not being sent; gives where reading must begin again. Lanes that
   * `isPassedBy` names keep the requests that they will repeat, and are read later.
   */
  release(isPassedBy: (run: LaneRun) => boolean, keep: number): number {
    this.#position = this.#barrier[0]?.message.sequence ?? this.#position;
    this.#barrier = [];
    let from = this.#position;
    for (const run of this.all()) {
      if (isPassedBy(run)) run.lane.shelve(keep);
      else {
        run.lane.release();
        from = Math.min(from, run.lane.readFrom);
      }
    }
    this.#position = from;
    return from;
  }

  /** Adds those of a message's records that are not settled to the tally of their lane. */
  tally(message: LogMessage, rows: readonly LaneRow[], tallies: Map<number, ExpiryTally>): void {
    const { partition, sequence } = message;
    const run = this.#runs.get(partition);
    if (!run && sequence < this.#position) return;
    const tally: ExpiryTally = tallies.get(partition) ?? new Map();
    tallies.set(partition, tally);
    if (run) run.lane.tally(rows, tally);
    else tally.set(undefined, (tally.get(undefined) ?? 0) + rows.length);
  }

  /** Books what was tallied below a sequence as expired; everything is to be read again from there. */
  expireBelow(sequence: number, tallies: ReadonlyMap<number, ExpiryTally>): void {
    for (const partition of tallies.keys()) this.get(partition);
    for (const { lane } of this.all()) {
      lane.expireBelow(sequence, tallies.get(lane.state.partition) ?? new Map());
    }
    this.#barrier = [];
    this.#position = Math.max(this.#position, sequence);
  }

  /** First sequence that is not read, apart from what waits behind the barrier. */
  get position(): number {
    return this.#position;
  }

  /** No record above this sequence was read or, by what the target keeps, delivered. */
  get reached(): number {
    let sequence = this.#position;
    for (const { lane } of this.all()) sequence = Math.max(sequence, lane.state.next.sequence);
    return sequence;
  }

  /** Everything below this sequence is settled. */
  get settledBelow(): number {
    let sequence = this.#position;
    for (const { lane } of this.all()) {
      sequence = Math.min(sequence, lowestPlace(lane.snapshot()).sequence);
    }
    return sequence;
  }

  /** Whether a generation waits for the one before. */
  get isBlocked(): boolean {
    return this.#barrier.length > 0;
  }

  /** Whether all that was read is settled, parked records included. */
  get isIdle(): boolean {
    for (const { lane } of this.all()) {
      if (!lane.isIdle || lane.state.parked.size > 0) return false;
    }
    return true;
  }

  /** Whether a request is planned or under way. */
  get isAnyOpen(): boolean {
    for (const { lane } of this.all()) {
      if (lane.requests.some((request) => request.state !== "staged")) return true;
    }
    return false;
  }

  get isSending(): boolean {
    for (const run of this.all()) if (isSending(run) || run.isReserved) return true;
    return false;
  }

  /** Whether a request that is open has failed. */
  get isFailing(): boolean {
    for (const { lane } of this.all()) if (lane.requests.some((r) => r.failures > 0)) return true;
    return false;
  }

  /** Keys that wait for held records. */
  get parkedKeys(): number {
    let count = 0;
    for (const { lane } of this.all()) count += lane.state.parked.size;
    return count;
  }

  /** Whether nothing can be done for any of so many partitions before a time. */
  isWaiting(partitions: number, untilMs: number): boolean {
    if (this.#runs.size < partitions) return false;
    for (const run of this.all()) if (run.waitUntilMs < untilMs || isSending(run)) return false;
    return true;
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (const { lane } of this.all()) bytes += lane.pending.bytes;
    return bytes;
  }

  /** Records that are settled. */
  get settled(): number {
    let count = 0;
    for (const { lane } of this.all()) count += settledCount(lane.state);
    return count;
  }

  /** Arrival of the oldest record in memory that waits; 0 for none. */
  get oldestArrivalUs(): number {
    let oldest = 0;
    for (const { lane } of this.all()) {
      for (const row of [lane.requests[0]?.rows?.[0], lane.pending.at(0)]) {
        if (row && (oldest === 0 || row.arrivalTimeUs < oldest)) oldest = row.arrivalTimeUs;
      }
    }
    return oldest;
  }

  /** When the first waiting lane goes on (`now` terms); 0 for none, Infinity when the owner must act. */
  nextAttemptMs(): number {
    let next = 0;
    for (const { waitUntilMs } of this.all()) {
      if (waitUntilMs > 0 && (next === 0 || waitUntilMs < next)) next = waitUntilMs;
    }
    return next;
  }
}
