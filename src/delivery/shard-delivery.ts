/** Delivery of one shard while this node owns it: a worker for each sink, fed from one reader. */
import type { ShardFollower, ShardListener } from "../bus/index.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";
import { CursorWriter } from "./cursor-writer.ts";
import { DeletedSinks } from "./deleted-sinks.ts";
import { createRowDecoder } from "./lane-row.ts";
import { SinkWorker } from "./sink-worker.ts";
import { TrimMarks } from "./trim-marks.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Sinks that find out at once whether they have work. */
const STARTS_AT_ONCE = 16;
/** How long the last requests of a sink that is deleted may take. */
const REMOVAL_GRACE_MS = 1_000;
const FENCED_PAUSE_MS = 1_000;
/** The owner of this shard also looks for what sinks have left that were deleted while nobody looked. */
const SCANNING_SHARD = 0;

/** What a shard needs. */
export interface ShardInput {
  readonly shard: number;
  readonly options: WorkerOptions;
  readonly follow: (shard: number, listener: ShardListener) => Promise<ShardFollower>;
  readonly onOwner?: ((shard: number, edgeSequence: number) => void) | undefined;
  readonly onLost?: ((shard: number) => void) | undefined;
  readonly onStored?: ((shard: number, message: LogMessage) => void) | undefined;
}

/** What there is while the shard is owned. */
interface Owned {
  readonly edge: { sequence: number };
  readonly writer: CursorWriter;
  readonly trims: TrimMarks;
  readonly deleted: DeletedSinks;
  readonly workers: Map<string, SinkWorker>;
  readonly byLog: Map<string, Set<SinkWorker>>;
  readonly rowsOf: ReturnType<typeof createRowDecoder>;
  readonly sweep: NodeJS.Timeout;
  readonly waiting: SinkWorker[];
  starting: number;
}

/** One shard. */
export class ShardDelivery implements ShardListener {
  readonly #input: ShardInput;
  #follower: ShardFollower | undefined;
  #owned: Owned | undefined;
  readonly #stopping = new Set<Promise<unknown>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  constructor(input: ShardInput) {
    this.#input = input;
  }

  /** Stands for the ownership of the shard. */
  async start(): Promise<void> {
    this.#follower = await this.#input.follow(this.#input.shard, this);
  }

  get isOwner(): boolean {
    return this.#owned !== undefined;
  }

  onOwner(ownership: { readonly edgeSequence: number }): void {
    if (this.#isClosed) return;
    this.onLost();
    const { options } = this.#input;
    this.#owned = {
      edge: { sequence: ownership.edgeSequence },
      writer: new CursorWriter(options.cursors, options.logger),
      trims: new TrimMarks(options.cursors, this.#input.shard),
      deleted: new DeletedSinks(options),
      workers: new Map(),
      byLog: new Map(),
      rowsOf: createRowDecoder(),
      sweep: setInterval(() => this.#sweep(), options.sweepEveryMs),
      waiting: [],
      starting: 0,
    };
    this.reconcile();
    this.#input.onOwner?.(this.#input.shard, ownership.edgeSequence);
  }

  onMessage(message: LogMessage): void {
    const owned = this.#owned;
    if (!owned) return;
    owned.edge.sequence = message.sequence;
    this.#input.onStored?.(this.#input.shard, message);
    for (const worker of owned.byLog.get(message.logUid) ?? []) worker.offer(message);
  }

  onLost(): void {
    const owned = this.#owned;
    if (!owned) return;
    this.#owned = undefined;
    clearInterval(owned.sweep);
    for (const worker of owned.workers.values()) this.#track(worker.stop(0));
    owned.writer.close();
    if (!this.#isClosed) this.#input.onLost?.(this.#input.shard);
  }

  /** The worker of a sink, when this node runs it. */
  worker(sinkUid: string): SinkWorker | undefined {
    return this.#owned?.workers.get(sinkUid);
  }

  /** Bytes of staged rows by the uid of their project. */
  stagedBytes(): Map<string, number> {
    const bytes = new Map<string, number>();
    for (const { definition, stagedBytes } of this.#owned?.workers.values() ?? []) {
      if (stagedBytes === 0) continue;
      const { projectUid } = definition;
      bytes.set(projectUid, (bytes.get(projectUid) ?? 0) + stagedBytes);
    }
    return bytes;
  }

  /** Makes the workers fit the definitions. */
  reconcile(): void {
    const owned = this.#owned;
    if (!owned) return;
    const seen = new Set<string>();
    for (const definition of this.#input.options.definitions.sinks()) {
      if (definition.log.shard !== this.#input.shard) continue;
      seen.add(definition.uid);
      const worker = owned.workers.get(definition.uid);
      if (!worker) this.#add(owned, definition);
      else if (worker.definition !== definition) worker.update(definition);
      worker?.refresh();
    }
    for (const [uid, worker] of owned.workers) {
      if (seen.has(uid)) continue;
      this.#remove(owned, worker);
      owned.deleted.vanished(worker.definition);
    }
  }

  #add(owned: Owned, definition: SinkDefinition): void {
    const worker: SinkWorker = new SinkWorker({
      options: this.#input.options,
      definition,
      writer: owned.writer,
      trims: owned.trims,
      edge: owned.edge,
      rowsOf: owned.rowsOf,
      onFenced: () => this.#again(owned, worker),
    });
    owned.workers.set(definition.uid, worker);
    const peers = owned.byLog.get(definition.log.uid) ?? new Set();
    owned.byLog.set(definition.log.uid, peers.add(worker));
    owned.waiting.push(worker);
    this.#startNext(owned);
  }

  #startNext(owned: Owned): void {
    while (owned.starting < STARTS_AT_ONCE) {
      const worker = owned.waiting.shift();
      if (!worker) return;
      owned.starting += 1;
      void worker.start().finally(() => {
        owned.starting -= 1;
        this.#startNext(owned);
      });
    }
  }

  #remove(owned: Owned, worker: SinkWorker): void {
    owned.workers.delete(worker.definition.uid);
    const peers = owned.byLog.get(worker.definition.log.uid);
    peers?.delete(worker);
    if (peers?.size === 0) owned.byLog.delete(worker.definition.log.uid);
    // A deleted sink may come back: its cursor is to know what it has delivered.
    this.#track(worker.stop(REMOVAL_GRACE_MS));
  }

  /** A fenced worker starts anew, with a higher epoch, if the shard is still ours after a while. */
  #again(owned: Owned, worker: SinkWorker): void {
    this.#remove(owned, worker);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#owned === owned) this.reconcile();
    }, FENCED_PAUSE_MS);
    this.#timers.add(timer);
  }

  #sweep(): void {
    const owned = this.#owned;
    if (!owned) return;
    const { steady, logger } = this.#input.options;
    for (const worker of owned.workers.values()) worker.run?.standby.sweep(steady());
    const isScanning = this.#input.shard === SCANNING_SHARD;
    const scanned = isScanning ? owned.deleted.scan() : Promise.resolve();
    scanned
      .then(() => (this.#owned === owned ? owned.deleted.tidy() : undefined))
      .catch((error: unknown) => {
        logger.debug("stores could not be searched for deleted sinks", { error: String(error) });
      });
  }

  /**
   * Must be awaited before a log is trimmed below a sequence: books in the cursors of its stopped sinks
   * what they lose, and then marks the log. Rejects when nothing may be trimmed now.
   */
  async beforeTrim(logUid: string, sequence: number): Promise<void> {
    const owned = await this.#book(logUid, (sink) => sink.expireBelow(sequence));
    await owned.trims.raise(logUid, sequence);
    this.#input.options.at?.("trim-marked");
  }

  /** The same before the archive of a log deletes what stands below a sequence. */
  async beforeSweep(logUid: string, sequence: number): Promise<void> {
    await this.#book(logUid, (sink) => sink.expireArchivedBelow(sequence));
  }

  async #book(
    logUid: string,
    expire: (retention: SinkWorker["retention"]) => Promise<void>,
  ): Promise<Owned> {
    const owned = this.#owned;
    if (!owned) throw new Error("the shard is not owned here");
    await owned.trims.load();
    const sinks = this.#input.options.definitions.sinksOfLog(logUid);
    const workers = sinks.map(({ uid }) => owned.workers.get(uid));
    await Promise.all(
      workers.map((worker) => {
        if (!worker) throw new Error("a sink of the log is not known yet");
        return expire(worker.retention);
      }),
    );
    if (this.#owned !== owned) throw new Error("the shard is not owned here any more");
    return owned;
  }

  #track(stopping: Promise<unknown>): void {
    const tracked = stopping
      .catch((error: unknown) => {
        this.#input.options.logger.warn("a sink did not stop cleanly", { error: String(error) });
      })
      .finally(() => this.#stopping.delete(tracked));
    this.#stopping.add(tracked);
  }

  /** Lets requests in flight end, writes the cursors, and gives the shard to another node. Idempotent. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const workers = [...(this.#owned?.workers.values() ?? [])];
    await Promise.all(workers.map((worker) => worker.stop(graceMs).catch(() => undefined)));
    this.onLost();
    await this.#follower?.close();
    await Promise.all(this.#stopping);
  }
}
