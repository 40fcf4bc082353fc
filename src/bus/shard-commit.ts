import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import { nuid } from "@nats-io/transport-node";
import { fail } from "../core/errors.ts";
import type { LogAppended, LogCall } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { answerPlan, type CommitPlan, planCommit } from "./commit-plan.ts";
import type { PendingCall } from "./commit-queue.ts";
import type { BusConnection } from "./connection.ts";
import { answerDuplicate, findOriginal } from "./duplicate-call.ts";
import type { LaneCounts } from "./log-counts.ts";
import type { PublishAnswer, Publisher } from "./publisher.ts";
import { readBack } from "./read-back.ts";
import { logUnavailable, meaningOf, refusalError } from "./refusals.ts";
import type { SubjectNames } from "./subjects.ts";

/** How long a publish may stay without an answer before it is read back. */
const ANSWER_TIMEOUT_MS = 3_000;

/** What all lanes of a shard know together. */
export interface ShardPosition {
  /** Newest sequence of the shard that an answer told. */
  lastSequence: number;
}

export interface ShardCommitOptions {
  /** The publisher's own: a publish of unknown fate is fenced on the connection it went by. */
  readonly connection: BusConnection;
  readonly publisher: Publisher;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  readonly shard: number;
  readonly position: ShardPosition;
  readonly counts: LaneCounts;
  /** Ends all waiting; calls under way are then rejected. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** Stores calls of one shard by way of one connection. */
export class ShardCommit {
  readonly #options: ShardCommitOptions;
  readonly #stream: string;

  constructor(options: ShardCommitOptions) {
    this.#options = options;
    this.#stream = options.names.shardStream(options.shard);
  }

  /** Identity of the process of a lone server; empty on a cluster, where a leader may be another one. */
  serverId(): string {
    const { info } = this.#options.connection.nc;
    return info && !info.cluster ? info.server_id : "";
  }

  /** Stores calls as one publish. Whatever goes wrong, each call has its answer when it resolves. */
  async commit(calls: readonly PendingCall[]): Promise<void> {
    try {
      await this.#commit(calls);
    } catch (error) {
      for (const pending of calls) pending.reject(logUnavailable(error));
      if (this.#options.signal.aborted) return;
      this.#options.logger.error("a publish failed", { stream: this.#stream, error });
    }
  }

  /** Publishes calls until each has its answer or the fate of all is settled. */
  async #commit(all: readonly PendingCall[]): Promise<void> {
    for (;;) {
      // A call whose caller was told that it failed is not sent any more.
      const calls = all.filter((pending) => !pending.isSettled);
      if (calls.length === 0) return;
      if (!this.#options.connection.isConnected()) {
        await this.#pause(20);
        continue;
      }
      const plan = planCommit(
        calls.map((pending) => pending.call),
        { names: this.#options.names, writeId: nuid.next() },
      );
      const server = this.serverId();
      const afterSequence = this.#options.position.lastSequence;
      const answer = await this.#publish(calls, plan);
      if (answer.kind === "stored" && !answer.isDuplicate) {
        return this.#settle(calls, plan, answer.lastSequence);
      }
      if (answer.kind === "unknown") {
        if (await this.#isSettledByReadBack(calls, plan, afterSequence)) return;
        // Whatever a process had taken ended with it, so a lone server that was started anew cannot
        // store the publish any more. In all other cases it might still arrive, and is not repeated.
        if (server && this.serverId() && server !== this.serverId()) continue;
        for (const pending of calls) pending.reject(logUnavailable(answer.text));
        return;
      }
      if (answer.kind === "refused" && meaningOf(answer.code, answer.text) === "retry") {
        await this.#pause(20);
        continue;
      }
      return this.#settleRefused(calls, answer);
    }
  }

  async #publish(calls: readonly PendingCall[], { messages }: CommitPlan): Promise<PublishAnswer> {
    const { counts, publisher } = this.#options;
    const beganAt = performance.now();
    const answer = await publisher.publish(messages, { timeoutMs: ANSWER_TIMEOUT_MS });
    counts.durations.observe(performance.now() - beganAt);
    counts.publishes++;
    counts.calls += calls.length;
    counts.messages += messages.length;
    if (answer.kind === "unknown") counts.unknown++;
    return answer;
  }

  #settle(calls: readonly PendingCall[], plan: CommitPlan, lastSequence: number): void {
    const { position } = this.#options;
    position.lastSequence = Math.max(position.lastSequence, lastSequence);
    answerPlan(plan, lastSequence, (index, answer) => calls[index]!.resolve(answer));
  }

  async #isSettledByReadBack(
    calls: readonly PendingCall[],
    plan: CommitPlan,
    afterSequence: number,
  ): Promise<boolean> {
    this.#options.logger.warn("a publish has an unknown fate", { stream: this.#stream });
    const lastSequence = await readBack(plan, {
      ...this.#options,
      stream: this.#stream,
      afterSequence,
    });
    if (lastSequence !== undefined) this.#settle(calls, plan, lastSequence);
    return lastSequence !== undefined;
  }

  /** One call can refuse the publish of all, so halves are tried until the call at fault is alone. */
  async #settleRefused(calls: readonly PendingCall[], answer: PublishAnswer): Promise<void> {
    if (calls.length > 1) {
      const middle = calls.length >> 1;
      await this.#commit(calls.slice(0, middle));
      await this.#commit(calls.slice(middle));
      return;
    }
    const [pending] = calls;
    try {
      pending!.resolve(await this.#answerRefused(pending!.call, answer));
    } catch (error) {
      pending!.reject(error as Error);
    }
  }

  async #answerRefused(call: LogCall, answer: PublishAnswer): Promise<LogAppended> {
    if (answer.kind === "stored") {
      return answerDuplicate(call, answer.lastSequence, this.#duplicateInput());
    }
    if (answer.kind === "unknown") throw logUnavailable(answer.text);
    const meaning = meaningOf(answer.code, answer.text);
    if (meaning === "duplicate" && call.idempotency) {
      const original = await findOriginal(call.idempotency.id, this.#duplicateInput());
      if (original !== undefined) return answerDuplicate(call, original, this.#duplicateInput());
    }
    if (meaning === "wrong-sequence") {
      throw fail("GENERATION_SEALED", "the stream has a newer generation", {
        metadata: { generation: String(call.generation) },
        retryAfterMs: 100,
      });
    }
    throw refusalError(meaning, answer.text);
  }

  #duplicateInput() {
    const { publisher, jsm, names, shard } = this.#options;
    return { publisher, jsm, stream: this.#stream, probeSubject: names.claim(shard) };
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#options.signal });
  }
}
