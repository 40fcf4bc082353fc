/** A sink at work: plans requests, sends them, lets failing lanes wait, flushes what is staged. */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { DestinationGate } from "./destination-gate.ts";
import type { Feed } from "./feed.ts";
import type { HeldQuota } from "./held-quota.ts";
import { noteParkingFull, planLanes } from "./lane-planning.ts";
import type { LaneRow } from "./lane-row.ts";
import type { LaneRun } from "./lane-run.ts";
import { LaneSet } from "./lane-set.ts";
import type { LaneState } from "./lane-state.ts";
import { LaneWaits } from "./lane-waits.ts";
import { PARKED_KEYS_MAX } from "./parked-keys.ts";
import { QueueShare } from "./queue-share.ts";
import { ReadingPause } from "./reading-pause.ts";
import { RequestSender } from "./request-sender.ts";
import { RunFlusher } from "./run-flusher.ts";
import { RunLosses } from "./run-losses.ts";
import { RunOpening } from "./run-opening.ts";
import type { RunInput, RunOwner } from "./run-owner.ts";
import { RunStandby } from "./run-standby.ts";
import { RunTimer } from "./run-timer.ts";
import { noteUnreadable } from "./unreadable-message.ts";
import { driverOf, type VersionTable, versionsOf } from "./version-table.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** The work of one sink, from its activation until it is stopped. */
export class SinkRun {
  readonly sinkUid: string;
  readonly logger: Logger;
  readonly held: HeldQuota;
  readonly now: () => number;
  readonly steady: () => number;
  readonly keepsCursor: boolean;
  readonly concurrency: number;
  readonly lanes: LaneSet;
  versions: VersionTable;
  readonly gate: DestinationGate;
  readonly owner: RunOwner;
  readonly options: WorkerOptions;
  readonly losses: RunLosses;
  readonly flusher: RunFlusher;
  readonly waits: LaneWaits;
  readonly sender: RequestSender;
  readonly standby: RunStandby;
  readonly #input: RunInput;
  readonly #share: QueueShare;
  readonly #opening: RunOpening;
  readonly #timer: RunTimer;
  readonly #pause = new ReadingPause();
  #feed!: Feed;
  #isScheduled = false;
  /** Whether the lanes were taken over. */
  #isOpened = false;
  #oldestArrivalUs = 0;

  constructor(owner: RunOwner, input: RunInput) {
    const { options, state } = input;
    const { definition } = owner;
    this.owner = owner;
    this.options = options;
    this.#input = input;
    this.sinkUid = definition.uid;
    this.logger = options.logger;
    this.held = input.held;
    this.now = options.now;
    this.steady = options.steady;
    this.versions = versionsOf(definition, this.options);
    const driver = driverOf(options.drivers, this.versions.at(state.position).kind);
    this.keepsCursor = driver.keepsCursor;
    this.concurrency = Math.max(1, driver.concurrency);
    this.lanes = new LaneSet(definition.log.uid, state.position, (row) =>
      this.versions.at(row.place.sequence).transform.passes(row),
    );
    for (const lane of state.lanes) this.lanes.put(lane);
    this.gate = new DestinationGate(this);
    this.flusher = new RunFlusher(this);
    this.losses = new RunLosses(this, input.count);
    this.waits = new LaneWaits(this);
    this.sender = new RequestSender(this);
    this.standby = new RunStandby(this);
    this.#share = new QueueShare(options.budget);
    this.#opening = new RunOpening(this);
    this.#timer = new RunTimer(() => this.schedule());
  }

  get signal(): AbortSignal {
    return this.owner.signal;
  }

  get oldestArrivalUs(): number {
    return this.lanes.oldestArrivalUs || this.#oldestArrivalUs || this.#input.count.oldestArrivalUs;
  }

  get isHalted(): boolean {
    return this.losses.isHalted;
  }

  /** Whether nothing is read for now. */
  get isStopped(): boolean {
    return this.#feed.isStopped;
  }

  /** Partitions of the stream now. */
  get partitions(): number {
    const { definitions } = this.options;
    return definitions.streamByLog(this.owner.definition.log.uid)?.partitions ?? 1;
  }

  /** Begins with what the cursor left: claims the partitions in the target, then reads. */
  begin(feed: Feed): void {
    this.#feed = feed;
    if (this.owner.definition.isPaused) this.schedule();
    else void this.#opening.begin();
  }

  /** The target's partitions are ours: looks what is missing, and reads. */
  opened(): void {
    this.#isOpened = true;
    this.losses.checkMark();
    this.rewind();
  }

  /** Reads again from the lowest place that needs it; nothing while the sink is paused. */
  rewind(): void {
    const isHeldBack = this.#pause.holdsBack();
    // Lanes that are still taken over would let what was read ahead of them pass.
    if (isHeldBack || this.standby.isWanted || this.isHalted || !this.#isOpened) {
      this.schedule();
      return;
    }
    const isPassedBy = (run: LaneRun) => this.waits.isPassedBy(run);
    const position = this.lanes.release(isPassedBy, this.concurrency);
    const { count } = this.#input;
    this.#feed.seek(count.isAtEdge ? position : Math.min(position, count.sequence + 1));
    this.schedule();
  }

  hasRoom(): boolean {
    if (this.signal.aborted) return false;
    this.#share.update(this.lanes.pendingBytes);
    const { lanes, standby } = this;
    if (lanes.isBlocked || standby.isDraining || this.#pause.isOn || this.isHalted) return false;
    return this.#share.hasRoom(this.versions.at(this.#feed.position).bytesMax);
  }

  accept(message: LogMessage): void {
    this.options.at?.("fetched");
    let rows: readonly LaneRow[];
    try {
      rows = this.#input.rowsOf(message);
    } catch (error) {
      noteUnreadable(this.owner, error);
      throw error;
    }
    this.#input.count.add(message.sequence, rows.length, rows[0]?.arrivalTimeUs ?? 0);
    this.lanes.accept(message, rows, this.steady());
  }

  /** Looks after everything, soon and once. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#advance();
    });
  }

  #advance(): void {
    if (this.signal.aborted || this.#pause.isOn) return;
    const nowMs = this.steady();
    if (!this.#feed.isStopped) {
      this.lanes.passed(this.#feed.position, nowMs);
      this.#input.count.passed(this.#feed.position, this.#feed.isAtEdge);
      this.losses.checkRequests();
    }
    const { flusher } = this;
    if (this.standby.isWanted) {
      this.standby.advance(nowMs);
      return;
    }
    this.standby.end();
    if (flusher.isFlushing || this.isHalted) return;
    const reason = flusher.due(nowMs);
    if (reason) {
      if (!this.lanes.isSending) void flusher.flush(reason);
      return;
    }
    if (this.gate.isStale && !this.lanes.isSending && flusher.isEmpty) void this.gate.close();
    this.#plan(nowMs);
    this.sender.send(nowMs);
    if (this.lanes.isIdle) {
      this.#oldestArrivalUs = 0;
      this.#input.count.oldestArrivalUs = 0;
    }
    if (this.#isAtRest) this.losses.checkLedger();
    this.#feed.pump();
    const dueMs = Math.min(flusher.dueAtMs, this.sender.dueAtMs);
    this.#timer.arm(nowMs, { lanes: this.lanes, versions: this.versions, dueMs });
  }

  /** Whether everything that is stored was read and settled. */
  get #isAtRest(): boolean {
    if (!this.#feed.isAtEdge || !this.#input.count.isAtEdge || this.lanes.isBlocked) return false;
    return this.lanes.isIdle && !this.lanes.isSending && this.flusher.isEmpty;
  }

  #plan(nowMs: number): void {
    const { isPlanned, needsWrite, isParkingFull } = planLanes(this.lanes, {
      versions: this.versions,
      isFull: !this.hasRoom(),
      isStaging: this.gate.isStaging,
      keepsCursor: this.keepsCursor,
      concurrency: this.concurrency,
      nowMs,
    });
    if (isPlanned) this.options.at?.("planned");
    if (isParkingFull) noteParkingFull(this.owner);
    if (needsWrite) this.owner.changed(true);
  }

  snapshots(): LaneState[] {
    return [...this.lanes.all()].map(({ lane }) => lane.snapshot());
  }

  /** Says that the destination takes what it is sent, unless some of it still fails. */
  recovered(): void {
    if (this.owner.definition.isPaused || this.isHalted || this.lanes.isFailing) return;
    if (this.lanes.nextAttemptMs() > 0 || this.lanes.parkedKeys > PARKED_KEYS_MAX) return;
    this.owner.note.enter(Sink_State.RUNNING);
  }

  /** Lets records in memory go while nothing can be sent (D5): they are read again. */
  letGo(): void {
    this.#oldestArrivalUs = this.lanes.oldestArrivalUs || this.#oldestArrivalUs;
    this.#feed.stop(this.lanes.release(() => false, 0));
    this.hasRoom();
    this.countAhead();
  }

  /** Counts what is stored while nothing reads it. */
  countAhead(): void {
    if (this.standby.isDraining) return;
    this.owner.count().catch((error: unknown) => {
      if (!this.signal.aborted) this.logger.warn("a log could not be counted", { error });
    });
  }

  /** The definition was replaced; `isRestarted` when its owner wants another try at once. */
  updated({ isRestarted }: { readonly isRestarted: boolean }): void {
    const { definition } = this.owner;
    this.versions = versionsOf(definition, this.options);
    this.lanes.judge();
    this.gate.updated();
    for (const run of this.lanes.all()) {
      const isMoved = run.lane.reassign((sequence) => this.versions.at(sequence).version.version);
      if (isRestarted || isMoved) this.waits.end(run);
    }
    this.options.at?.("version-applied");
    if (isRestarted) {
      this.losses.isHalted = false;
      this.flusher.hurry();
    }
    if (!definition.isPaused && (isRestarted || this.#feed.isStopped)) void this.#opening.begin();
    this.schedule();
  }

  /** Stops reading and planning until `thaw`. */
  freeze(): void {
    this.#pause.begin({ isReading: !this.#feed.isStopped });
    this.#feed.stop(this.lanes.release(() => false, 0));
    this.#share.update(0);
  }

  /** Goes on from where the lanes are now. */
  thaw(): void {
    if (this.#pause.end() && !this.signal.aborted) this.rewind();
    else this.schedule();
  }

  /** Tries at once what waits for room among the held records. */
  roomMade(): void {
    this.waits.endAllOfOwner();
    this.rewind();
  }

  abort(): void {
    this.#timer.close();
    this.#opening.close();
    this.waits.close();
    this.#share.update(0);
  }

  close(): Promise<void> {
    return this.gate.close();
  }
}
