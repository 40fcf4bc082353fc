/** A load generator as a child process: what it is told, and what it says. */

/** One kind of call, over many connections at once, each call after the answer of the one before. */
export interface LoadPlan {
  readonly protocol: "http1" | "grpc" | "stream";
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Bodies in base64, taken in turn: one for each stream. */
  readonly bodies: readonly { readonly path?: string; readonly body: string }[];
  /** What an answer must have; 200 when left out. HTTP/1.1 only. */
  readonly status?: number;
  /** Calls under way at once. */
  readonly callers: number;
  /** Calls a second of all callers together, HTTP/1.1 only; as many as are answered when left out. */
  readonly perSecond?: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What was measured after the warm-up. Latencies in milliseconds. */
export interface LoadResult {
  readonly calls: number;
  readonly errors: number;
  readonly firstError: string;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Counts calls and their latencies; says on stdout when the measurement begins and what it gave. */
export function createMeter(plan: LoadPlan) {
  let latencies = new Float64Array(65_536);
  let calls = 0;
  let errors = 0;
  let firstError = "";
  let state: "warm-up" | "measure" | "over" = "warm-up";
  let startedAt = 0;
  setTimeout(() => {
    state = "measure";
    startedAt = performance.now();
    process.stdout.write("begin\n");
  }, plan.warmUpMs);
  setTimeout(() => {
    state = "over";
    const seconds = (performance.now() - startedAt) / 1000;
    const sorted = latencies.subarray(0, calls).sort();
    const at = (part: number) => sorted[Math.min(calls - 1, Math.floor(calls * part))] ?? 0;
    const result: LoadResult = {
      calls,
      errors,
      firstError,
      seconds,
      p50: at(0.5),
      p99: at(0.99),
      p999: at(0.999),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
  }, plan.warmUpMs + plan.measureMs);
  return {
    isOver: () => state === "over",
    /** Notes an answer; an error is the text of a wrong one. */
    note(sentAt: number, error?: string) {
      if (error !== undefined) {
        errors++;
        firstError ||= error.slice(0, 300);
      }
      if (state !== "measure" || error !== undefined) return;
      if (calls === latencies.length) {
        const larger = new Float64Array(calls * 2);
        larger.set(latencies);
        latencies = larger;
      }
      latencies[calls++] = performance.now() - sentAt;
    },
  };
}
