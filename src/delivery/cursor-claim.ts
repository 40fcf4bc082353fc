/** A sink's hold on its cursor: claimed with a new epoch, written while this node is the owner. */
import { claimCursor, readSinkState } from "./claim-cursor.ts";
import type { CursorClient, CursorWriter } from "./cursor-writer.ts";
import type { PageWrite } from "./parked-pages.ts";
import { cursorKey, encodeSinkState, type SinkState } from "./sink-state.ts";
import { lowestNeeded, reached } from "./stored-work.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** The worker whose cursor it is. */
export interface ClaimHost {
  readonly sinkUid: string;
  readonly logUid: string;
  readonly signal: AbortSignal;
  readonly run: { readonly keepsCursor: boolean } | undefined;
  /** First sequence that retention has left of what the sink may need. */
  readonly trimmedBelow: number;
  /** Everything that is known of the sink now. */
  snapshot(): SinkState;
  /** What is to be done once a value of now is stored. */
  planned(): () => void;
  fenced(): void;
}

/** The hold of one sink. */
export class CursorClaim implements CursorClient {
  readonly key: string;
  readonly owner: string;
  expectedSequence = 0;
  confirmedAtMs = Number.NEGATIVE_INFINITY;
  epoch = 0;
  isClaimed = false;
  /** First sequence that the sink needs by what is stored of it. */
  storedFrom = 0;
  readonly #host: ClaimHost;
  readonly #writer: CursorWriter;
  readonly #options: WorkerOptions;

  constructor(host: ClaimHost, writer: CursorWriter, options: WorkerOptions) {
    this.#host = host;
    this.#writer = writer;
    this.#options = options;
    this.key = cursorKey(host.sinkUid);
    this.owner = options.owner;
  }

  /** Writes our epoch; gives the state that was found, which becomes ours. */
  async claim(): Promise<SinkState> {
    const { signal, sinkUid } = this.#host;
    const claimed = await claimCursor(this.#options.cursors, this.#host.snapshot(), {
      sinkUid,
      epochAbove: this.epoch,
    });
    signal.throwIfAborted();
    this.epoch = claimed.state.epoch;
    this.expectedSequence = claimed.sequence;
    this.confirmedAtMs = performance.now();
    this.isClaimed = true;
    this.#options.at?.("claimed");
    return claimed.state;
  }

  /** The target knows a later epoch than ours: we claim above it, unless another node has taken over. */
  async claimAbove(epoch: number): Promise<void> {
    const { sinkUid, logUid } = this.#host;
    const { state } = await readSinkState(this.#options.cursors, { uid: sinkUid, logUid });
    if (state?.owner !== this.owner) return this.fenced();
    this.epoch = Math.max(this.epoch, epoch) + 1;
    await this.confirm();
  }

  /** The cursor is to be written; urgently when a request waits for it. */
  changed(isUrgent: boolean): void {
    if (this.isClaimed && !this.#host.signal.aborted) this.#writer.write(this, isUrgent);
  }

  /** Resolves when everything as of now is stored. */
  async confirm(): Promise<void> {
    if (!this.isClaimed) await this.claim();
    await this.#writer.confirm(this);
  }

  encode() {
    const state = this.#host.snapshot();
    const from = lowestNeeded(state);
    const planned = this.#host.planned();
    this.#options.at?.("cursor-writing");
    const { writes, gone } = this.#takePages(state);
    const done = () => {
      this.#options.at?.("cursor-written");
      this.storedFrom = from;
      if (this.#host.run?.keepsCursor) state.keptPages.stored();
      else state.pages.stored();
      planned();
    };
    return { value: encodeSinkState(state), beside: writes, gone, done };
  }

  /** The pages of parked keys that the state needs; nobody changes them before there is a run. */
  #takePages(state: SinkState): { writes: PageWrite[]; gone: string[] } {
    const { sinkUid, run, trimmedBelow } = this.#host;
    if (!run) return { writes: [], gone: [] };
    const { freshKeysMax } = this.#options;
    if (!run.keepsCursor) return state.pages.take({ sinkUid, freshKeysMax }, state.lanes);
    const facts = { sinkUid, epoch: state.epoch, freshKeysMax, trimmedBelow };
    return state.keptPages.take({ ...facts, reached: reached(state) }, state.lanes);
  }

  fenced(): void {
    this.#host.fenced();
  }

  /** Writes no more. */
  remove(): void {
    this.#writer.remove(this);
  }
}
