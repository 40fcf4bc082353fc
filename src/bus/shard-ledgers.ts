import { type AccountEntry, LogLedger } from "./log-account.ts";

/**
 * The ledgers of all logs of a shard. What is stored already is counted by a walk that may have to begin
 * again; what its owner is given meanwhile is counted beside it, and comes behind when the walk is done.
 */
export class ShardLedgers {
  readonly #bucketBytes: (logUid: string) => number;
  readonly #byLog = new Map<string, LogLedger>();
  /** What came while the walk was not done. */
  readonly #later = new Map<string, LogLedger>();
  #isDone = false;

  /** `bucketBytes`: about how large a run of a log may get. */
  constructor(bucketBytes: (logUid: string) => number) {
    this.#bucketBytes = bucketBytes;
  }

  get(logUid: string): LogLedger | undefined {
    return this.#byLog.get(logUid);
  }

  /** Of all logs that have one. */
  uids(): Iterable<string> {
    return this.#byLog.keys();
  }

  /** The walk begins again. */
  restart(): void {
    this.#byLog.clear();
    this.#isDone = false;
  }

  /** The walk has met a message. */
  walked(logUid: string, entry: AccountEntry): void {
    this.#add(this.#byLog, logUid, entry);
  }

  /** A message was stored, above all earlier ones. */
  came(logUid: string, entry: AccountEntry): void {
    this.#add(this.#isDone ? this.#byLog : this.#later, logUid, entry);
  }

  /** The walk is done. */
  done(): void {
    this.#isDone = true;
    for (const [logUid, later] of this.#later) {
      const ledger = this.#byLog.get(logUid);
      if (ledger) ledger.append(later);
      else this.#byLog.set(logUid, later);
    }
    this.#later.clear();
  }

  #add(ledgers: Map<string, LogLedger>, logUid: string, entry: AccountEntry): void {
    const ledger = ledgers.get(logUid) ?? new LogLedger();
    ledgers.set(logUid, ledger);
    ledger.add(entry, this.#bucketBytes(logUid));
  }
}
