/** What one stored message adds to the account of its log. */
export interface AccountEntry {
  readonly sequence: number;
  readonly timeMs: number;
  readonly bytes: number;
}

/** A run of messages of one log. */
interface Bucket {
  lastSequence: number;
  lastTimeMs: number;
  bytes: number;
  messages: number;
}

const MAX_BUCKETS = 512;

/** A log may grow to this part of its bytes while its trim is under way. */
export const OVERSHOOT = 1.25;

/** Until where a log is to be trimmed. */
export interface TrimRequest {
  /** Messages older than this go; -Infinity for none. */
  readonly beforeTimeMs: number;
  /** Oldest messages go until this many bytes are left. */
  readonly maxBytes: number;
  /** Nothing from this sequence on goes. */
  readonly keepFrom: number;
}

/**
 * Bytes of one log by runs of messages. JetStream counts bytes per stream only, and a shard's stream
 * holds many logs. Bounded: beyond 512 runs neighbours are joined, so what can be trimmed at once
 * gets coarser, never the sum.
 */
export class LogLedger {
  #buckets: Bucket[] = [];
  #bytes = 0;
  #messages = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#messages;
  }

  /** Adds a message above all earlier ones; `bucketBytes` is about how large a run may get. */
  add(entry: AccountEntry, bucketBytes: number): void {
    const last = this.#buckets.at(-1);
    if (last && entry.sequence <= last.lastSequence) return;
    this.#bytes += entry.bytes;
    this.#messages++;
    if (
      last &&
      last.bytes + entry.bytes <= bucketBytes &&
      entry.timeMs - last.lastTimeMs < 60_000
    ) {
      last.lastSequence = entry.sequence;
      last.lastTimeMs = entry.timeMs;
      last.bytes += entry.bytes;
      last.messages++;
      return;
    }
    this.#buckets.push({
      lastSequence: entry.sequence,
      lastTimeMs: entry.timeMs,
      bytes: entry.bytes,
      messages: 1,
    });
    if (this.#buckets.length > MAX_BUCKETS) this.#join();
  }

  /** Adds all that another ledger holds: messages above those of this one. */
  append(later: LogLedger): void {
    this.#buckets.push(...later.#buckets.map((bucket) => ({ ...bucket })));
    this.#bytes += later.#bytes;
    this.#messages += later.#messages;
    if (this.#buckets.length > MAX_BUCKETS) this.#join();
  }

  /** Whether something is to go by its age or by the bytes of all, if nothing needs it. */
  isDue({ beforeTimeMs, maxBytes }: Omit<TrimRequest, "keepFrom">): boolean {
    const first = this.#buckets[0];
    return first !== undefined && (first.lastTimeMs < beforeTimeMs || this.#bytes > maxBytes);
  }

  /** First sequence to keep, or undefined when nothing may go. Does not change the account. */
  trimPoint(request: TrimRequest): number | undefined {
    return this.#planTrim(request).point;
  }

  /** Bytes that stay when everything that may go is gone. */
  bytesAfterTrim(request: TrimRequest): number {
    return this.#planTrim(request).bytes;
  }

  #planTrim(request: TrimRequest): { readonly point: number | undefined; readonly bytes: number } {
    let bytes = this.#bytes;
    let point: number | undefined;
    for (const bucket of this.#buckets) {
      const isOld = bucket.lastTimeMs < request.beforeTimeMs;
      if (!isOld && bytes <= request.maxBytes) break;
      if (bucket.lastSequence >= request.keepFrom) break;
      bytes -= bucket.bytes;
      point = bucket.lastSequence + 1;
    }
    return { point, bytes };
  }

  /** Forgets the runs below a sequence that `trimPoint` gave. */
  trimmed(point: number): void {
    const kept = this.#buckets.findIndex((bucket) => bucket.lastSequence >= point);
    const gone = this.#buckets.splice(0, kept === -1 ? this.#buckets.length : kept);
    for (const bucket of gone) {
      this.#bytes -= bucket.bytes;
      this.#messages -= bucket.messages;
    }
  }

  #join(): void {
    const joined: Bucket[] = [];
    for (let i = 0; i < this.#buckets.length; i += 2) {
      const [first, second] = [this.#buckets[i]!, this.#buckets[i + 1]];
      if (second) {
        first.lastSequence = second.lastSequence;
        first.lastTimeMs = second.lastTimeMs;
        first.bytes += second.bytes;
        first.messages += second.messages;
      }
      joined.push(first);
    }
    this.#buckets = joined;
  }
}
