/**
 * Counts the records that were stored on a log since a sink's start: once each, at the edge as they
 * come, or by reading what is stored when nothing else reads it for the sink. It does not look at what
 * the sink has settled, so the ledger (D3) is a check and not a tautology.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LogMessage, LogReader } from "../core/log.ts";
import { decodeRecordBatch } from "../core/record-batch.ts";
import type { ShardEdge } from "./feed.ts";
import type { LaneRow } from "./lane-row.ts";

/** How long a replica that is behind is given. */
const BEHIND_MS = 20;

/** The count of one sink. */
export class PushCount {
  /** Every message up to this sequence is counted. */
  sequence: number;
  pushed: number;
  /** Arrival of the first record that was counted since everything was settled, microseconds; 0 for none. */
  oldestArrivalUs = 0;
  #isAtEdge = false;
  readonly #edge: ShardEdge;

  constructor(edge: ShardEdge, sequence: number, pushed: number) {
    this.#edge = edge;
    this.sequence = sequence;
    this.pushed = pushed;
  }

  /** Whether every message up to the edge is counted. */
  get isAtEdge(): boolean {
    return this.#isAtEdge;
  }

  /** Counts a message that follows, in the log, on all that was counted. */
  add(sequence: number, records: number, arrivalUs: number): void {
    if (sequence <= this.sequence) return;
    this.sequence = sequence;
    this.pushed += records;
    this.oldestArrivalUs ||= arrivalUs;
  }

  /**
   * Counts a message at the edge, if all before it is counted. One that cannot be read leaves the edge:
   * it is counted when it is read again, and the fault is reported there.
   */
  offer(message: LogMessage, rowsOf: (message: LogMessage) => readonly LaneRow[]): void {
    if (!this.#isAtEdge || message.sequence <= this.sequence) return;
    try {
      const rows = rowsOf(message);
      this.add(message.sequence, rows.length, rows[0]?.arrivalTimeUs ?? 0);
    } catch {
      this.#isAtEdge = false;
    }
  }

  /** Says that every message below `position` was counted, and whether that is the edge. */
  passed(position: number, isAtEdge: boolean): void {
    this.sequence = Math.max(this.sequence, position - 1);
    if (isAtEdge) this.#isAtEdge = true;
  }

  /** Reads and counts up to the edge; ends early when aborted. Fails with LOG_UNAVAILABLE. */
  async scan(
    log: { readonly shard: number; readonly uid: string },
    reader: LogReader,
    signal: AbortSignal,
  ): Promise<void> {
    while (!this.#isAtEdge && !signal.aborted) {
      const edgeBefore = this.#edge.sequence;
      const messages = await reader.read(log, {
        fromSequence: this.sequence + 1,
        maxMessages: 512,
        maxBytes: 4 * 1024 * 1024,
        signal,
      });
      for (const message of messages) {
        if (message.sequence > this.sequence) {
          const { calls, count } = decodeRecordBatch(message.data);
          this.add(message.sequence, count, calls[0]?.arrivalTimeUs ?? 0);
        }
      }
      if (messages.length === 0) {
        // As in Feed: a replica may be behind, the leader is not.
        const { lastSequence } = await reader.info(log);
        if (lastSequence > this.sequence) {
          await delay(BEHIND_MS, undefined, { signal });
          continue;
        }
        this.sequence = Math.max(this.sequence, edgeBefore);
      }
      if (this.sequence >= this.#edge.sequence) this.#isAtEdge = true;
    }
  }
}
