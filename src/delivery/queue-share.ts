/** What one sink takes of the memory for records that wait (D5). */
import type { QueueBudget } from "./worker-options.ts";

/** Records that wait in memory, for one sink, beside two batches. */
const QUEUE_BYTES = 4 * 1024 * 1024;

/** The share of one sink. */
export class QueueShare {
  readonly #budget: QueueBudget;
  #bytes = 0;

  constructor(budget: QueueBudget) {
    this.#budget = budget;
  }

  /** Says how many bytes wait now. */
  update(bytes: number): void {
    this.#budget.used += bytes - this.#bytes;
    this.#bytes = bytes;
  }

  /** Whether more may wait. A sink of which nothing waits always has room, whatever others take (D4). */
  hasRoom(batchBytes: number): boolean {
    if (this.#bytes === 0) return true;
    return this.#bytes < QUEUE_BYTES + 2 * batchBytes && this.#budget.used < this.#budget.max;
  }
}
