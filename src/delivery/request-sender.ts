/** Sends the planned requests of a run, and gives the runner what it asks for. */
import type { AttemptLog } from "../core/attempt.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { AtPoint } from "./crash-points.ts";
import type { DestinationGate } from "./destination-gate.ts";
import type { HeldQuota } from "./held-quota.ts";
import type { Lane } from "./lane.ts";
import type { LaneRequest } from "./lane-request.ts";
import type { LaneRun } from "./lane-run.ts";
import type { LaneSet } from "./lane-set.ts";
import type { LaneWaits, WaitFault } from "./lane-waits.ts";
import { type RequestHost, runRequest } from "./request-runner.ts";
import { sendableInOrder } from "./requests-in-order.ts";
import type { RunFlusher } from "./run-flusher.ts";
import type { RunOwner } from "./run-owner.ts";
import { SendPace } from "./send-pace.ts";
import type { VersionPlan, VersionTable } from "./version-table.ts";

/** Ownership older than this is confirmed before a request is sent; another takes over after 5 s. */
const LEASE_MS = 2_000;

/** The run whose requests are sent. */
export interface SendingRun {
  readonly owner: RunOwner;
  readonly sinkUid: string;
  readonly options: {
    readonly attempts: AttemptLog | undefined;
    readonly at: AtPoint | undefined;
    readonly freshKeysMax: number;
    readonly random: () => number;
  };
  readonly logger: Logger;
  readonly held: HeldQuota;
  readonly now: () => number;
  readonly steady: () => number;
  readonly keepsCursor: boolean;
  readonly concurrency: number;
  readonly lanes: LaneSet;
  readonly versions: VersionTable;
  readonly gate: DestinationGate;
  readonly flusher: RunFlusher;
  readonly waits: LaneWaits;
  recovered(): void;
  schedule(): void;
}

/** The sender of one run. */
export class RequestSender implements RequestHost {
  readonly #run: SendingRun;
  /** When a request was last sent, in `steady` terms. */
  lastSentMs = 0;
  readonly #pace = new SendPace();

  constructor(run: SendingRun) {
    this.#run = run;
  }

  /** Sends what may be sent now. */
  send(nowMs: number): void {
    const { lanes, concurrency, keepsCursor, schedule, versions } = this.#run;
    const pace = this.#pace;
    for (const run of pace.begin([...lanes.all()], versions.newest())) {
      if (run.waitUntilMs > nowMs || run.isReserved) continue;
      const { lane } = run;
      const ready = keepsCursor ? sendableInOrder(lane, concurrency) : lane.sendable(concurrency);
      for (const request of ready) {
        if (request.count === 0) {
          const nothing = { delivered: [], held: [], filtered: [], isKeyBlocked: false };
          run.lane.resolve(request, nothing);
          schedule.call(this.#run);
        } else if (pace.take(run, nowMs)) this.#sendOne(run, request, nowMs);
      }
    }
  }

  /** When the pace lets the next request go, in `steady` terms; Infinity when none waits for it. */
  get dueAtMs(): number {
    return this.#pace.dueAtMs;
  }

  #sendOne(run: LaneRun, request: LaneRequest, nowMs: number): void {
    this.lastSentMs = nowMs;
    runRequest(this, run, request)
      .catch((error: unknown) => {
        // A broken assumption: nothing of this sink is certain, so it starts again from its cursor.
        this.logger.error("delivery of a request failed", { sink: this.sinkUid, error });
        this.fenced();
      })
      .finally(() => {
        this.#pace.ended();
        this.#run.schedule();
      });
  }

  /** What the cursor write carries may be sent once it is stored. */
  planned(): () => void {
    const planned: LaneRequest[] = [];
    for (const { lane } of this.#run.lanes.all()) {
      for (const request of lane.requests) if (request.state === "planned") planned.push(request);
    }
    for (const request of planned) request.isWriting = true;
    return () => {
      for (const request of planned) if (request.state === "planned") request.state = "ready";
      if (planned.length > 0) this.#run.schedule();
    };
  }

  get sinkUid(): string {
    return this.#run.sinkUid;
  }
  get definition(): SinkDefinition {
    return this.#run.owner.definition;
  }
  get attempts(): AttemptLog | undefined {
    return this.#run.options.attempts;
  }
  get at(): AtPoint | undefined {
    return this.#run.options.at;
  }
  get logger(): Logger {
    return this.#run.logger;
  }
  get held(): HeldQuota {
    return this.#run.held;
  }
  get now(): () => number {
    return this.#run.now;
  }
  get steady(): () => number {
    return this.#run.steady;
  }
  get random(): () => number {
    return this.#run.options.random;
  }
  get signal(): AbortSignal {
    return this.#run.owner.signal;
  }
  get versions(): VersionTable {
    return this.#run.versions;
  }
  get keepsCursor(): boolean {
    return this.#run.keepsCursor;
  }

  epoch(): number {
    return this.#run.owner.epoch;
  }

  isCurrent(run: LaneRun): boolean {
    return this.#run.lanes.get(run.lane.state.partition) === run;
  }

  async assertOwner(): Promise<void> {
    const { owner, keepsCursor } = this.#run;
    if (keepsCursor) return;
    if (performance.now() - owner.confirmedAtMs > LEASE_MS) await owner.confirm();
  }

  async pagesStored({ state: { parked } }: Lane): Promise<void> {
    const { owner, options } = this.#run;
    const isStored = () => (parked.kept?.unsaved.size ?? 0) === 0;
    // Settling goes on meanwhile, and may park more.
    while (!isStored() || parked.freshCount > options.freshKeysMax) await owner.confirm();
  }

  destination(plan: VersionPlan, partition: number) {
    return this.#run.gate.get(plan, partition);
  }

  staged(run: LaneRun, request: LaneRequest, plan: VersionPlan): void {
    this.#run.flusher.add(run, request, plan);
  }

  followable(): void {
    this.#run.schedule();
  }

  succeeded(run: LaneRun, cursorRevision: number | undefined): void {
    this.#run.gate.committed(run.lane.state, cursorRevision);
    this.#run.waits.succeeded(run);
    this.#run.recovered();
  }

  failingMs(): number {
    return this.#run.waits.failingMs();
  }

  waits(run: LaneRun, untilMs: number, fault: WaitFault): void {
    this.#run.waits.wait(run, untilMs, fault);
    this.changed(false);
    this.#run.schedule();
  }

  changed(isUrgent: boolean): void {
    this.#run.owner.changed(isUrgent);
  }

  fenced(): void {
    this.#run.owner.fenced();
  }
}
