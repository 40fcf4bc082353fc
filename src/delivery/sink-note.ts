/** What a sink is doing: PENDING → RUNNING ⇄ PAUSED, ERROR, with cause and time. */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { StateNote } from "./sink-state.ts";

/** The state of one sink; `since` moves when the state does. */
export class SinkNote {
  readonly #now: () => number;
  #note: StateNote;

  constructor(now: () => number) {
    this.#now = now;
    this.#note = {
      state: Sink_State.PENDING,
      cause: "",
      reason: "",
      sinceMs: now(),
      nextAttemptMs: 0,
      restarts: 0,
    };
  }

  get note(): StateNote {
    return this.#note;
  }

  /** Goes on from what the last owner noted; a wait of its is over. */
  recall(note: StateNote): void {
    this.#note = { ...note, nextAttemptMs: 0 };
  }

  /** Enters a state without a cause. */
  enter(state: Sink_State): void {
    const { note } = this;
    if (note.state === state && !note.cause && note.nextAttemptMs === 0) return;
    this.#set({ state, cause: "", reason: "", nextAttemptMs: 0 });
  }

  /** Notes why delivery does not go on; ERROR, or a warning while the next attempt may still mend it. */
  fail(fault: {
    readonly reason: string;
    readonly why: string;
    readonly isError: boolean;
    /** 0 when the owner must act. */
    readonly nextAttemptMs: number;
  }): void {
    const state =
      fault.isError || this.note.state === Sink_State.ERROR ? Sink_State.ERROR : this.note.state;
    const { why: cause, reason, nextAttemptMs } = fault;
    this.#set({ state, cause, reason, nextAttemptMs });
  }

  /** Hears of a restart; gives whether it is a new one. */
  restart(restarts: number): boolean {
    if (restarts === this.note.restarts) return false;
    this.#note = { ...this.note, restarts };
    return true;
  }

  #set(change: Pick<StateNote, "state" | "cause" | "reason" | "nextAttemptMs">): void {
    const isNew = change.state !== this.note.state;
    this.#note = { ...this.note, ...change, ...(isNew && { sinceMs: this.#now() }) };
  }
}
