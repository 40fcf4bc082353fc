/**
 * Two requests of a partition at once: the next is encoded and sent while Postgres still works on the one before,
 * over the same connection, so that neither side waits while a commit is under way. Their order and their fences
 * make sure that the second is stored only when the first was committed and kept no bad rows.
 */
import type { RequestOutcome, SinkRequest } from "../sink.ts";
import type { Lease, Target } from "./target.ts";

/** What one write is given of its place in the pipeline. */
export interface Slot {
  /** Work on the connection of the request before where that is possible, else on one of its own. */
  readonly use: Target["use"];
  /** Says that all was sent which is sent in the last `use`. */
  readonly onSent: () => void;
}

/** A write. */
export interface Work {
  write(slot: Slot): Promise<RequestOutcome>;
  /** What came of it; of one that follows, after that of the one before. */
  ended(outcome: RequestOutcome): void;
}

/** Runs the writes of a sink, those with `after` behind the one before. */
export interface Pipeline {
  run(request: SinkRequest, work: Work): Promise<RequestOutcome>;
  /** The request that was last sent behind this one. */
  followerOf(request: SinkRequest): string | undefined;
}

/** A request that is under way. */
interface Flight {
  /** The connection to follow on: set while all of its COPY was sent. */
  lease: Lease | undefined;
  hasFailed: boolean;
  /** Resolves when it may be followed, or has ended. */
  readonly sent: Promise<void>;
  readonly ended: Promise<void>;
}

const BEHIND = { kind: "behind" } as const;

/** The pipeline of one open sink. */
export function createPipeline(target: Target): Pipeline {
  const flights = new Map<string, Flight>();
  /** By partition: which request was sent behind which, so that a commit that nobody heard of is recognised. */
  const followers = new Map<number, { readonly after: string; readonly id: string }>();
  const fly = async ({ id }: SinkRequest, before: Flight | undefined, work: Work) => {
    const sent = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const flight: Flight = {
      ...{ lease: undefined, hasFailed: true },
      ...{ sent: sent.promise, ended: ended.promise },
    };
    flights.set(id, flight);
    let lease: Lease | undefined;
    const use: Target["use"] = async (signal, job) => {
      flight.lease = undefined;
      const leased: typeof job = (session) => {
        lease = session.lease;
        return job(session);
      };
      await before?.sent;
      const following = before?.lease && target.follow(before.lease, signal, leased);
      if (following) return await following;
      await before?.ended;
      if (before?.hasFailed) throw new Error("the request before has failed");
      return await target.use(signal, leased);
    };
    const onSent = () => {
      flight.lease = lease;
      sent.resolve();
    };
    try {
      const outcome = await work.write({ use, onSent });
      await before?.ended;
      work.ended(outcome);
      flight.hasFailed = outcome.kind !== "rows";
      return outcome;
    } finally {
      sent.resolve();
      ended.resolve();
      flights.delete(id);
    }
  };
  return {
    followerOf({ partition, id }) {
      const follower = followers.get(partition);
      return follower?.after === id ? follower.id : undefined;
    },
    async run(request, work) {
      const { partition, id, after } = request;
      if (after === undefined) return await fly(request, undefined, work);
      const before = flights.get(after);
      followers.set(partition, { after, id });
      try {
        const outcome = await fly(request, before, work);
        return outcome.kind === "fenced" ? BEHIND : outcome;
      } catch {
        return BEHIND;
      } finally {
        // Nobody hears of it before the one ahead.
        await before?.ended;
      }
    },
  };
}
