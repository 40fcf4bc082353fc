/** Records of a lane that wait for a request, in order, with their count and bytes. */
import type { LaneRow } from "./lane-row.ts";

const COMPACT_AT = 4096;

/** A queue that is read by index and dropped from its head. */
export class RowQueue {
  #rows: LaneRow[] = [];
  #ordinals: number[] = [];
  #head = 0;
  /** Memory that the rows take. */
  bytes = 0;

  get length(): number {
    return this.#rows.length - this.#head;
  }

  /** The row at an index from the head; undefined beyond the end. */
  at(index: number): LaneRow | undefined {
    return this.#rows[this.#head + index];
  }

  /** Numbers of neighbours in the log differ by one. */
  ordinalAt(index: number): number {
    return this.#ordinals[this.#head + index] ?? 0;
  }

  push(row: LaneRow, ordinal: number): void {
    this.#rows.push(row);
    this.#ordinals.push(ordinal);
    this.bytes += row.bytes;
  }

  /** Drops rows from the head. */
  drop(count: number): void {
    if (count === 0) return;
    for (let i = 0; i < count; i++) this.bytes -= this.#rows[this.#head + i]!.bytes;
    this.#head += count;
    if (this.#head === this.#rows.length) this.clear();
    else if (this.#head > COMPACT_AT) {
      this.#rows = this.#rows.slice(this.#head);
      this.#ordinals = this.#ordinals.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#rows = [];
    this.#ordinals = [];
    this.#head = 0;
    this.bytes = 0;
  }
}
