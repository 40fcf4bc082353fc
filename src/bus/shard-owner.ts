import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import { fail } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { askAgain } from "./asked-again.ts";
import type { BusConnection } from "./connection.ts";
import { withOpeningPatience } from "./opening-patience.ts";
import { CONSUMER, ensureOwnerConsumer, GROUP } from "./owner-consumer.ts";
import type { Publisher } from "./publisher.ts";
import { type PulledMessage, pullOnce } from "./pull-consumer.ts";
import { parseRecordsSubject, type SubjectNames } from "./subjects.ts";

const PULL_EXPIRES_MS = 2_000;
/** What is delivered is acknowledged this often, and sooner once it is so much. */
const ACKNOWLEDGE_EVERY_MS = 250;
const ACKNOWLEDGED_AT_ONCE = 1_000;
/** How often a follower looks whether a shard has no owner. */
const CLAIM_EVERY_MS = 1_000;

/** What the owner of a shard starts from. */
export interface Ownership {
  /**
   * Newest sequence of the shard when ownership began: what is stored up to here is read with
   * `LogReader`, everything above comes by `onMessage`.
   */
  readonly edgeSequence: number;
}

/** Called in turn, never at once; what they throw is logged. */
export interface ShardListener {
  /** This node owns the shard from now on. */
  onOwner(ownership: Ownership): void;
  /** A message above the edge, ascending by sequence without gaps, each once. Must not block. */
  onMessage(message: LogMessage): void;
  /** This node may not own the shard any more; another `onOwner` may follow. */
  onLost(): void;
}

/** Follows a shard until it is closed. */
export interface ShardFollower {
  isOwner(): boolean;
  /** Gives the shard to another follower at once. Idempotent. */
  close(): Promise<void>;
}

export interface FollowShardOptions {
  readonly connection: BusConnection;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  readonly publisher: Publisher;
  readonly listener: ShardListener;
  readonly logger: Logger;
}

/**
 * Stands for the ownership of a shard. One durable consumer in a pinned-client priority group elects
 * one follower of all nodes, and feeds it what is stored from then on. Acknowledged on dispatch:
 * cursors are the truth about delivery. An idle shard elects by a claim, a message of its own,
 * because only a message pins a client.
 */
export async function followShard(
  shard: number,
  options: FollowShardOptions,
): Promise<ShardFollower> {
  const stream = options.names.shardStream(shard);
  await withOpeningPatience(() => ensureOwnerConsumer(stream, shard, options)).catch((cause) => {
    throw fail("LOG_UNAVAILABLE", "the shard cannot be followed now", { cause });
  });
  const following = new Following(shard, stream, options);
  following.start();
  return { isOwner: () => following.isOwner, close: () => following.close() };
}

interface Owned {
  /** Undefined until it is known. */
  edge: number | undefined;
  /** Messages that came before that. */
  readonly early: PulledMessage[];
}

/** One node's stand for one shard. */
class Following {
  readonly #shard: number;
  readonly #stream: string;
  readonly #options: FollowShardOptions;
  readonly #closing = new AbortController();
  readonly #endWatch: () => void;
  #tasks: Promise<unknown> = Promise.resolve();
  #pinId = "";
  /** Set while this node owns the shard. */
  #owned: Owned | undefined;
  #lastDelivery = 0;
  #lastSequence = 0;
  #toAcknowledge = "";
  #unacknowledged = 0;
  #ackTimer: NodeJS.Timeout | undefined;

  constructor(shard: number, stream: string, options: FollowShardOptions) {
    this.#shard = shard;
    this.#stream = stream;
    this.#options = options;
    this.#endWatch = options.connection.onChange((isConnected) => {
      if (!isConnected) this.#lose();
    });
  }

  get isOwner(): boolean {
    return this.#owned?.edge !== undefined;
  }

  start(): void {
    this.#tasks = Promise.all([this.#pull(), this.#claim()]).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) {
        this.#options.logger.error("a shard is not followed any more", {
          stream: this.#stream,
          error,
        });
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const wasOwner = this.#owned !== undefined;
    this.#closing.abort();
    this.#endWatch();
    await this.#tasks;
    this.#sendAcknowledgement();
    this.#lose();
    if (!wasOwner || !this.#options.connection.isConnected()) return;
    await this.#options.jsm.consumers.unpin(this.#stream, CONSUMER, GROUP).catch(() => undefined);
  }

  async #pull(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const isAsking = this.#owned !== undefined && this.#owned.edge === undefined;
      if (isAsking || !this.#options.connection.isConnected()) {
        await this.#pause(10);
        continue;
      }
      const end = await pullOnce(this.#options.connection.nc, {
        stream: this.#stream,
        consumer: CONSUMER,
        group: GROUP,
        pinId: this.#pinId,
        maxMessages: 256,
        maxBytes: 8 * 1024 * 1024,
        expiresMs: PULL_EXPIRES_MS,
        signal,
        onMessage: (message) => this.#receive(message),
      });
      if (end === "done") continue;
      this.#lose();
      if (end === "not-pinned") this.#pinId = "";
      else await this.#pause(100);
      if (end === "unheard") await this.#ensureConsumer();
    }
  }

  /** A lone server that begins anew has forgotten it. Asked again at the next pull where this fails. */
  async #ensureConsumer(): Promise<void> {
    await ensureOwnerConsumer(this.#stream, this.#shard, this.#options).catch(() => undefined);
  }

  #receive(message: PulledMessage): void {
    this.#acknowledge(message);
    if (this.#owned && message.deliverySequence !== this.#lastDelivery + 1) this.#lose();
    this.#lastDelivery = message.deliverySequence;
    this.#pinId = message.pinId;
    if (!this.#owned) this.#own();
    if (this.#owned?.edge === undefined) this.#owned?.early.push(message);
    else this.#dispatch(message, this.#owned.edge);
  }

  /** Messages that come while the edge is asked for wait: at most those of the open pull. */
  #own(): void {
    const owned: Owned = { edge: undefined, early: [] };
    this.#owned = owned;
    askAgain(() => this.#options.jsm.streams.info(this.#stream)).then(
      ({ state }) => {
        if (this.#owned !== owned || this.#closing.signal.aborted) return;
        owned.edge = state.last_seq;
        this.#lastSequence = state.last_seq;
        this.#call(() => this.#options.listener.onOwner({ edgeSequence: state.last_seq }));
        for (const message of owned.early.splice(0)) this.#dispatch(message, state.last_seq);
      },
      () => {
        if (this.#owned === owned) this.#owned = undefined;
      },
    );
  }

  #dispatch(message: PulledMessage, edge: number): void {
    if (message.sequence <= Math.max(edge, this.#lastSequence)) return;
    this.#lastSequence = message.sequence;
    const subject = parseRecordsSubject(message.subject);
    if (!subject) return;
    const { sequence, timeMs, data } = message;
    this.#call(() => this.#options.listener.onMessage({ ...subject, sequence, timeMs, data }));
  }

  /**
   * One acknowledgement for all messages of a while. What is delivered again to a later owner for want of one
   * is not above its edge; an acknowledgement of each push cost the server a quarter of what the push did.
   */
  #acknowledge(message: PulledMessage): void {
    this.#toAcknowledge = message.ackSubject;
    this.#unacknowledged += 1;
    if (this.#unacknowledged >= ACKNOWLEDGED_AT_ONCE) this.#sendAcknowledgement();
    else this.#ackTimer ??= setTimeout(() => this.#sendAcknowledgement(), ACKNOWLEDGE_EVERY_MS);
  }

  #sendAcknowledgement(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#unacknowledged = 0;
    const subject = this.#toAcknowledge;
    this.#toAcknowledge = "";
    const { nc } = this.#options.connection;
    if (subject && !nc.isClosed()) nc.publish(subject, "+ACK");
  }

  #lose(): void {
    const wasOwner = this.isOwner;
    this.#owned = undefined;
    if (wasOwner) this.#call(() => this.#options.listener.onLost());
  }

  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#options.logger.error("a shard's listener failed", { stream: this.#stream, error });
    }
  }

  /** While a shard has no owner, or this node is pinned without knowing, a claim brings it forth. */
  async #claim(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await this.#pause(CLAIM_EVERY_MS * (0.2 + Math.random()));
      if (this.#owned || !this.#options.connection.isConnected()) continue;
      const pinned = await this.#pinnedClient().catch(() => "unknown");
      if (pinned !== "" && pinned !== this.#pinId) continue;
      await this.#options.publisher.publish(
        [
          {
            subject: this.#options.names.claim(this.#shard),
            headers: [["Nats-Rollup", "sub"]],
            data: new Uint8Array(),
          },
        ],
        { timeoutMs: 1_000 },
      );
    }
  }

  async #pinnedClient(): Promise<string> {
    const { jsm } = this.#options;
    const info = await askAgain(() => jsm.consumers.info(this.#stream, CONSUMER));
    const { priority_groups: groups } = info as typeof info & {
      priority_groups?: { group: string; pinned_client_id?: string }[];
    };
    return groups?.find((state) => state.group === GROUP)?.pinned_client_id ?? "";
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }
}
