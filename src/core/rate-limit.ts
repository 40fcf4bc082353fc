/**
 * How many calls a caller may make: a bucket for each caller, on each node, in bounded memory.
 * What an answer says of it follows draft-ietf-httpapi-ratelimit-headers (-10).
 */

/** A limit: `calls` in `windowSeconds`, all of which may come at once. */
export interface RatePolicy {
  /** Names the limit in headers: letters, digits, dashes. */
  readonly name: string;
  readonly calls: number;
  readonly windowSeconds: number;
}

/** What a caller has left. */
export interface RateState {
  /** Milliseconds to wait before the next call; 0 when this one may be made. */
  readonly waitMs: number;
  /** Whole calls that may follow at once. */
  readonly remaining: number;
  /** Seconds until all of them may. */
  readonly resetSeconds: number;
}

/** Counts calls. */
export interface RateLimit {
  readonly policy: RatePolicy;
  /** Counts a call, unless it may not be made. About 0.3 µs. */
  take(key: string): RateState;
  /** Counts calls that were made elsewhere, such as at another node. */
  add(key: string, calls: number): void;
}

/** Callers in memory, about 100 bytes each; beyond it those who called least recently are forgotten. */
const CALLERS_MAX = 20_000;

/** When the bucket is full again; it says all there is to know of it. */
interface Bucket {
  fullAtMs: number;
}

/** Makes the limit. `now` is monotonic, in milliseconds; `onTaken` hears of each call that may be made. */
export function createRateLimit(
  policy: RatePolicy,
  {
    callersMax = CALLERS_MAX,
    now = () => performance.now(),
    onTaken = undefined as ((key: string) => void) | undefined,
  } = {},
): RateLimit {
  const buckets = new Map<string, Bucket>();
  const windowMs = policy.windowSeconds * 1000;
  const callMs = windowMs / policy.calls;

  const find = (key: string, nowMs: number): Bucket => {
    const known = buckets.get(key);
    if (known) buckets.delete(key);
    const bucket = known ?? { fullAtMs: nowMs };
    buckets.set(key, bucket);
    if (buckets.size > callersMax) {
      const [oldest] = buckets.keys();
      buckets.delete(oldest!);
    }
    return bucket;
  };
  return {
    policy,
    take(key) {
      const nowMs = now();
      const bucket = find(key, nowMs);
      const afterMs = Math.max(bucket.fullAtMs, nowMs) + callMs - nowMs;
      // Sums of fractions: a millionth of a millisecond decides nothing.
      const waitMs = afterMs - windowMs > 1e-6 ? Math.ceil(afterMs - windowMs) : 0;
      if (waitMs === 0) {
        bucket.fullAtMs = nowMs + afterMs;
        onTaken?.(key);
      }
      const leftMs = bucket.fullAtMs - nowMs;
      return {
        waitMs,
        remaining: Math.max(0, Math.floor((windowMs - leftMs) / callMs + 1e-6)),
        resetSeconds: Math.ceil(leftMs / 1000 - 1e-6),
      };
    },
    add(key, calls) {
      const nowMs = now();
      const bucket = find(key, nowMs);
      // Never later than an empty bucket's: nobody waits longer than the window.
      bucket.fullAtMs = Math.min(
        Math.max(bucket.fullAtMs, nowMs) + calls * callMs,
        nowMs + windowMs,
      );
    },
  };
}

/** The headers `RateLimit-Policy` and `RateLimit` of an answer. */
export function rateHeaders({ name, calls, windowSeconds }: RatePolicy, state: RateState) {
  return {
    "ratelimit-policy": `"${name}";q=${calls};w=${windowSeconds}`,
    ratelimit: `"${name}";r=${state.remaining};t=${state.resetSeconds}`,
  } as const;
}
