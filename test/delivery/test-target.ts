import type {
  KeptCursor,
  OpenSink,
  RequestOutcome,
  RowOutcome,
  SinkDriver,
  SinkRequest,
} from "../../src/sinks/sink.ts";

/** What one attempt brought to the destination. */
export interface Received {
  readonly id: string;
  readonly partition: number;
  readonly values: readonly unknown[];
  readonly places: readonly string[];
  readonly isReplay: boolean;
  readonly outcome: RequestOutcome["kind"];
  readonly sink: string;
  readonly version: string;
}

export interface TargetOptions {
  /** Keeps cursors with the rows, as Postgres does. */
  readonly keepsCursor?: boolean;
  readonly concurrency?: number;
  /** Takes the next request of a partition while one is under way; asks for `keepsCursor`, and two at once. */
  readonly isPipelined?: boolean;
  readonly count?: number;
  readonly isStaging?: boolean;
  /** Confirms at once and keeps nothing: to measure the engine alone. */
  readonly isForgetful?: boolean;
}

/** A destination in memory that outlives engines, records what it is sent, and fails on command. */
export class TestTarget {
  readonly received: Received[] = [];
  /** Rows that are stored, by sink, in order. */
  readonly stored = new Map<string, { value: unknown; recordId: string }[]>();
  /** Decides about each attempt; undefined stores all rows. */
  answer: (
    request: SinkRequest,
    sink: string,
  ) => RequestOutcome | undefined | Promise<RequestOutcome | undefined> = () => undefined;
  /** Called before each attempt; may hang. */
  before: (sink: string) => Promise<void> = async () => undefined;
  opened = 0;
  closed = 0;
  inFlight = 0;
  inFlightMax = 0;
  readonly #options: TargetOptions;
  readonly #cursors = new Map<string, KeptCursor & { requestId: string }>();
  readonly #epochs = new Map<string, number>();

  constructor(options: TargetOptions = {}) {
    this.#options = options;
  }

  values(sink: string): unknown[] {
    return (this.stored.get(sink) ?? []).map((row) => row.value);
  }

  /** Everything that is stored, cursors included. */
  backup() {
    return structuredClone({ stored: this.stored, cursors: this.#cursors, epochs: this.#epochs });
  }

  restore(backup: ReturnType<TestTarget["backup"]>): void {
    for (const [from, to] of [
      [backup.stored, this.stored],
      [backup.cursors, this.#cursors],
      [backup.epochs, this.#epochs],
    ] as const) {
      to.clear();
      for (const [key, value] of from) (to as Map<string, unknown>).set(key, value);
    }
  }

  get driver(): SinkDriver<"webhook"> {
    const options = this.#options;
    return {
      defaults: { count: options.count ?? 10, bytes: 1024 * 1024, timeMs: 0 },
      countMax: 1000,
      keepsCursor: options.keepsCursor ?? false,
      concurrency: options.concurrency ?? (options.isPipelined ? 2 : 1),
      check: () => [],
      open: async (config, env) => this.#open(env.sinkUid, config.url),
      test: async () => [],
      mask: (config) => config,
      keepSecrets: (config) => config,
    };
  }

  #open(sink: string, version: string): OpenSink {
    this.opened += 1;
    const staged: { value: unknown; recordId: string; place: SinkRequest["rows"][0]["place"] }[] =
      [];
    const store = (request: SinkRequest, outcomes: readonly RowOutcome[]) => {
      const rows = this.stored.get(sink) ?? [];
      this.stored.set(sink, rows);
      request.rows.forEach((row, i) => {
        if (outcomes[i]?.kind !== "delivered") return;
        rows.push({ value: parse(row.json), recordId: row.recordId });
      });
    };
    const key = (partition: number) => `${sink}.${partition}`;
    const { isPipelined = false } = this.#options;
    /** By partition: when what was given before is done with. */
    const turns = new Map<number, Promise<unknown>>();
    const take = async (request: SinkRequest): Promise<RequestOutcome> => {
      if (this.#options.isForgetful) {
        return { kind: "rows", outcomes: request.rows.map(() => ({ kind: "delivered" })) };
      }
      this.inFlight += 1;
      this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
      try {
        await this.before(sink);
        const answered = await this.answer(request, sink);
        const outcome: RequestOutcome = answered ?? {
          kind: "rows",
          outcomes: request.rows.map(() => ({
            kind: this.#options.isStaging ? "staged" : "delivered",
          })),
        };
        if (
          this.#options.keepsCursor &&
          this.#epochs.get(key(request.partition)) !== request.epoch
        ) {
          return { kind: "fenced" };
        }
        if (request.after !== undefined) {
          const kept = this.#cursors.get(key(request.partition));
          const isAhead = kept?.requestId === request.after && kept.rejects.length === 0;
          if (!isAhead || outcome.kind === "fenced") return { kind: "behind" };
        }
        this.received.push({
          id: request.id,
          partition: request.partition,
          values: request.rows.map((row) => parse(row.json)),
          places: request.rows.map((row) => `${row.place.sequence}-${row.place.index}`),
          isReplay: request.isReplay,
          outcome: outcome.kind,
          sink,
          version,
        });
        if (outcome.kind === "rows") {
          store(request, outcome.outcomes);
          request.rows.forEach((row, i) => {
            if (outcome.outcomes[i]?.kind !== "staged") return;
            staged.push({ value: parse(row.json), recordId: row.recordId, place: row.place });
          });
          if (request.cursor) {
            const rejects = request.rows.flatMap((row, i) => {
              const o = outcome.outcomes[i];
              return o?.kind === "reject"
                ? [{ place: row.place, reason: o.reason, why: o.why }]
                : [];
            });
            this.#cursors.set(key(request.partition), {
              epoch: request.epoch,
              cursor: request.cursor,
              rejects: [...rejects, ...(request.rejects ?? [])],
              requestId: request.id,
            });
          }
        }
        return outcome;
      } finally {
        this.inFlight -= 1;
      }
    };
    return {
      isPipelined,
      ...(this.#options.keepsCursor && {
        resume: async (partition: number, epoch: number) => {
          await new Promise(setImmediate);
          if ((this.#epochs.get(key(partition)) ?? 0) > epoch) {
            throw Object.assign(new Error("fenced"), {
              reason: "FENCED",
              targetEpoch: this.#epochs.get(key(partition)),
            });
          }
          this.#epochs.set(key(partition), epoch);
          return this.#cursors.get(key(partition));
        },
      }),
      ...(this.#options.isStaging && {
        flush: async () => {
          const done = staged.splice(0);
          const rows = this.stored.get(sink) ?? [];
          this.stored.set(sink, rows);
          rows.push(...done);
          return done.map((row) => row.place);
        },
      }),
      write: (request) => {
        if (!isPipelined) return take(request);
        const turn = (turns.get(request.partition) ?? Promise.resolve()).then(() => take(request));
        turns.set(
          request.partition,
          turn.catch(() => undefined),
        );
        return turn;
      },
      close: async () => {
        this.closed += 1;
      },
    };
  }
}

function parse(json: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(json));
}
