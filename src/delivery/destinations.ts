/** The open destinations of a sink, one for each version that has work; and one attempt at a write. */
import type { StreamDefinition } from "../core/definitions.ts";
import { reasonOf } from "../core/errors.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sinks/sink.ts";
import { createKeyReader } from "./key-reader.ts";
import { LOG_REASON } from "./retry-wait.ts";
import type { StagingPorts } from "./staging-port.ts";
import { type AnyDriver, type DriverTable, driverOf, type VersionPlan } from "./version-table.ts";

/** How long a driver may ignore its signal before delivery goes on without it. */
const GRACE_MS = 5_000;
const OPEN_TIMEOUT_MS = 60_000;

/** What the process gives to drivers; delivery adds the sink and its stream. */
export type DestinationEnvironment = Omit<
  SinkEnvironment,
  | "sinkUid"
  | "sinkName"
  | "logName"
  | "logUid"
  | "schema"
  | "schemaVersion"
  | "retentionAgeMs"
  | "keyOf"
  | "staging"
>;

/** A destination with the partitions that were claimed in it. */
export interface Destination {
  readonly sink: OpenSink;
  readonly resumed: Set<number>;
}

/** Opens and closes the destinations of one sink. */
export interface Destinations {
  /** The destination of a version; opens it when need be. Throws what `open` throws. */
  get(plan: VersionPlan): Promise<Destination>;
  /** Destinations that are open now. */
  open(): Promise<Destination[]>;
  /** Closes them; the next `get` opens again. */
  close(): Promise<void>;
}

/** What `createDestinations` needs. */
export interface DestinationsInput {
  readonly drivers: DriverTable;
  readonly environment: DestinationEnvironment;
  readonly sink: { readonly uid: string; readonly name: string };
  readonly logUid: string;
  readonly branch: string;
  readonly stream: () => StreamDefinition | undefined;
  /** Where rows of sinks are staged; undefined where they cannot be. */
  readonly staging?: StagingPorts | undefined;
}

/** A version of a sink as its driver is given it. */
export interface DriverCall {
  readonly driver: AnyDriver;
  readonly config: never;
  readonly env: SinkEnvironment;
}

/** What the driver of a version is called with. Throws when the stream is gone. */
export function driverCall(input: DestinationsInput, plan: VersionPlan): DriverCall {
  const stream = input.stream();
  if (!stream) throw new Error("the stream of the sink is gone");
  const driver = driverOf(input.drivers, plan.kind);
  const { schema, primaryKey } = plan.transform.compiled();
  const saved = plan.version.sink.config.value as never;
  const { uid } = input.sink;
  const { logUid } = input;
  return {
    driver,
    config: (driver.withKey?.(saved, primaryKey) ?? saved) as never,
    env: {
      ...input.environment,
      sinkUid: uid,
      sinkName: input.sink.name,
      logName: `${stream.name}/branches/${input.branch}`,
      logUid,
      schema,
      schemaVersion: stream.schemaVersion,
      retentionAgeMs: stream.retentionAgeMs,
      keyOf: createKeyReader(input.stream),
      staging: input.staging?.open({ uid, logUid, version: plan.version.version }),
    },
  };
}

/** The destinations of a sink: none is open yet. */
export function createDestinations(input: DestinationsInput): Destinations {
  const opened = new Map<number, Promise<Destination>>();
  const open = async (plan: VersionPlan): Promise<Destination> => {
    const { driver, config, env } = driverCall(input, plan);
    const opening = driver.open(config, env);
    let isLate = false;
    // What opens when nobody waits for it any more is closed at once.
    opening
      .then((sink) => isLate && void sink.close().catch(() => undefined))
      .catch(() => undefined);
    try {
      return { sink: await within(opening, OPEN_TIMEOUT_MS), resumed: new Set() };
    } catch (error) {
      isLate = true;
      throw error;
    }
  };
  return {
    get(plan) {
      const { version } = plan.version;
      const known = opened.get(version);
      if (known) return known;
      const made = open(plan);
      opened.set(version, made);
      made.catch(() => {
        if (opened.get(version) === made) opened.delete(version);
      });
      return made;
    },
    async open() {
      const settled = await Promise.allSettled(opened.values());
      return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    },
    async close() {
      const all = [...opened.values()];
      opened.clear();
      // One that is still being opened is closed when it is open, but not waited for longer than others.
      const closings = all.map(async (opening) => (await opening).sink.close());
      await Promise.allSettled(closings.map((closing) => within(closing, GRACE_MS)));
    },
  };
}

/** One attempt: never throws, ends in time, and honours `signal`. */
export async function attemptWrite(
  sink: OpenSink,
  request: SinkRequest,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<RequestOutcome> {
  try {
    return await withTimeLimit({ signal, timeoutMs }, (limited) =>
      within(sink.write(request, limited), timeoutMs + GRACE_MS),
    );
  } catch (error) {
    return outcomeOfError(error);
  }
}

/**
 * Gives work a signal that ends with another one, or in time. Unlike `AbortSignal.any` and `AbortSignal.timeout`
 * it leaves nothing behind: of thousands a second those keep minutes of timers in memory.
 */
export async function withTimeLimit<T>(
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const late = () => controller.abort(new Error("the attempt took too long"));
  const timer = setTimeout(late, timeoutMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/**
 * A thrown error as a failure of scope `sink`. A SinkFault names its reason; it may be shown. That our own
 * log cannot be read is no failed attempt.
 */
export function outcomeOfError(error: unknown): RequestOutcome {
  if (reasonOf(error) === LOG_REASON) {
    const why = "the log cannot be read or written now";
    return { kind: "retry", scope: "sink", reason: LOG_REASON, why, burnsAttempt: false };
  }
  const reason = (error as { reason?: unknown } | undefined)?.reason;
  if (reason === "FENCED") return { kind: "fenced" };
  const why = error instanceof Error ? error.message : String(error);
  return {
    kind: "retry",
    scope: "sink",
    reason: typeof reason === "string" ? reason : "INTERNAL",
    why,
    burnsAttempt: true,
  };
}

/** Rejects with reason TIMEOUT when a promise takes longer. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        Object.assign(new Error("the destination did not answer in time"), { reason: "TIMEOUT" }),
      );
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
