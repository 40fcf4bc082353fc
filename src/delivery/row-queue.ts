/** Records of a lane that wait for a request, in order, with their count and bytes. */
import type { LaneRow } from "./lane-row.ts";

const COMPACT_AT = 4096;

/** A queue that is read by index and dropped from its head. */
export class RowQueue {
  #rows: LaneRow[] = [];
  #ordinals: number[] = [];
  #verdicts: boolean[] = [];
  #head = 0;
  /** Memory that the rows take. */
  bytes = 0;
  /** How many of the rows the sink's filter lets pass, and the bytes of their JSON. */
  passing = 0;
  passingBytes = 0;

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

  /** Whether the sink's filter lets a row pass. */
  isPassingAt(index: number): boolean {
    return this.#verdicts[this.#head + index] ?? true;
  }

  push(row: LaneRow, ordinal: number, isPassing = true): void {
    this.#rows.push(row);
    this.#ordinals.push(ordinal);
    this.#verdicts.push(isPassing);
    this.bytes += row.bytes;
    if (isPassing) this.#count(row.jsonBytes, 1);
  }

  /** Drops rows from the head. */
  drop(count: number): void {
    if (count === 0) return;
    const end = this.#head + count;
    if (end === this.#rows.length) {
      this.clear();
      return;
    }
    for (let i = this.#head; i < end; i++) {
      const row = this.#rows[i]!;
      this.bytes -= row.bytes;
      if (this.#verdicts[i]) this.#count(row.jsonBytes, -1);
    }
    this.#head = end;
    if (end < COMPACT_AT) return;
    this.#rows = this.#rows.slice(end);
    this.#ordinals = this.#ordinals.slice(end);
    this.#verdicts = this.#verdicts.slice(end);
    this.#head = 0;
  }

  /** Asks again of every row whether it passes: the filter has changed. */
  judge(isPassing: (row: LaneRow) => boolean): void {
    this.passing = 0;
    this.passingBytes = 0;
    for (let i = this.#head; i < this.#rows.length; i++) {
      const row = this.#rows[i]!;
      this.#verdicts[i] = isPassing(row);
      if (this.#verdicts[i]) this.#count(row.jsonBytes, 1);
    }
  }

  #count(jsonBytes: number, sign: 1 | -1): void {
    this.passing += sign;
    this.passingBytes += sign * jsonBytes;
  }

  clear(): void {
    this.#rows = [];
    this.#ordinals = [];
    this.#verdicts = [];
    this.#head = 0;
    this.bytes = 0;
    this.passing = 0;
    this.passingBytes = 0;
  }
}
