/** What retention may take from the log of one sink, and what is booked of it before it goes. */
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";
import { expireBelow } from "./expiry.ts";
import type { KnownState } from "./known-state.ts";
import type { LaneRow } from "./lane-row.ts";
import type { LogBound } from "./log-bound.ts";
import type { SinkNote } from "./sink-note.ts";
import type { SinkRun } from "./sink-run.ts";
import { type UnsettledFate, unsettledFate } from "./stored-work.ts";
import type { TrimMarks } from "./trim-marks.ts";
import type { KeptLogs } from "./worker-options.ts";

/** The worker whose log it is. */
export interface RetentionHost {
  readonly definition: SinkDefinition;
  readonly note: SinkNote;
  readonly run: SinkRun | undefined;
  /** Whether it is known what the sink needs. */
  readonly isKnown: boolean;
  ensureRun(): Promise<SinkRun>;
  exclusively<T>(command: () => Promise<T>): Promise<T>;
  confirm(): Promise<void>;
}

/** What it looks at. */
export interface RetentionInput {
  readonly trims: TrimMarks;
  readonly bound: LogBound;
  readonly known: KnownState;
  readonly kept: KeptLogs | undefined;
  readonly rowsOf: (message: LogMessage) => readonly LaneRow[];
  /** First sequence that the sink needs by what is stored of it. */
  readonly storedFrom: () => number;
  /** Whether the log is another than the cursor means. */
  readonly isRefused: () => boolean;
}

/** The part of one sink in the retention of its log. */
export class SinkRetention {
  readonly #host: RetentionHost;
  readonly #input: RetentionInput;
  /** First sequence that the archive has; undefined for none, and before it was asked. */
  #keptFrom: number | undefined;

  constructor(host: RetentionHost, input: RetentionInput) {
    this.#host = host;
    this.#input = input;
  }

  get #logUid(): string {
    return this.#host.definition.log.uid;
  }

  /** First sequence that is left of what the sink may need, in the log or in its archive. */
  get trimmedBelow(): number {
    const { trims, bound } = this.#input;
    const trimmed = Math.min(trims.of(this.#logUid), bound.end);
    return Math.min(trimmed, this.#keptFrom ?? trimmed);
  }

  /** What becomes of records that the sink has not settled when they are taken. */
  get fate(): UnsettledFate {
    const { definition, note } = this.#host;
    const isKept = this.#input.kept?.isKept(this.#logUid) ?? false;
    return unsettledFate(definition, note.note.state, isKept);
  }

  /** First sequence that the sink still needs, to deliver or to count; 0 while that is not known. */
  get neededFrom(): number {
    if (!this.#host.isKnown) return 0;
    const { known, bound } = this.#input;
    const from = known.neededFrom(this.#host.run);
    // The sink that goes on needs the rest itself; until there is one, this one keeps it.
    return this.#host.definition.endSequence && from >= bound.end ? Number.POSITIVE_INFINITY : from;
  }

  /** Finds out from where the archive has what the log has no more. */
  async loadKept(): Promise<void> {
    this.#keptFrom = await this.#input.kept?.keptFrom(this.#logUid);
  }

  /** Books what retention is about to take from the log below a sequence. Rejects while the sink needs it. */
  async expireBelow(trimmed: number): Promise<void> {
    if (await this.#isSettledBelow(trimmed)) return;
    const { inLog } = this.fate;
    if (inLog === "needed") throw new Error("a sink needs the records");
    if (inLog === "lost") return this.#book(trimmed);
    await this.loadKept();
    // A running sink finds out itself what the archive never got; it is an ERROR, and not retention's doing.
    const { isNeededInArchive } = this.fate;
    if (!isNeededInArchive) await this.#book(Math.min(trimmed, this.#keptFrom ?? trimmed));
  }

  /**
   * The same for the archive, which is about to delete what stands below a sequence: what the log still
   * has is not lost by it.
   */
  async expireArchivedBelow(sequence: number): Promise<void> {
    const lost = Math.min(sequence, this.#input.trims.of(this.#logUid));
    if (await this.#isSettledBelow(lost)) return;
    if (this.fate.isNeededInArchive) throw new Error("a sink needs the records");
    await this.#book(lost);
  }

  /** Whether the sink needs nothing below a sequence, as the next owner knows it too. */
  async #isSettledBelow(sequence: number): Promise<boolean> {
    const host = this.#host;
    const { bound, storedFrom, isRefused } = this.#input;
    const below = Math.min(sequence, bound.end);
    if (!host.isKnown) throw new Error("it is not known what a sink needs");
    if (isRefused()) return true;
    if (this.neededFrom < below) return false;
    // The next owner must know it as well, or it would miss what is gone.
    if (host.run && storedFrom() < below) await host.confirm();
    return true;
  }

  async #book(sequence: number): Promise<void> {
    const host = this.#host;
    const below = Math.min(sequence, this.#input.bound.end);
    if (this.neededFrom >= below) return;
    await host.exclusively(async () => {
      await expireBelow(await host.ensureRun(), below, this.#input.rowsOf);
    });
  }
}
