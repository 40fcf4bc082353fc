/** Versions of a sink by sequence: each record is handled by the version fixed when it was saved. */
import type { Definitions, SinkDefinition, SinkVersion } from "../core/definitions.ts";
import type { TemplateCompiler } from "../mapping/row-transform.ts";
import type { SinkDriver, SinkKind } from "../sinks/sink.ts";
import { createPlanTransform, type PlanTransform, type SchemaSource } from "./plan-transform.ts";

/** What delivery needs of a version, with the defaults of its kind filled in. */
export interface VersionPlan {
  readonly version: SinkVersion;
  readonly kind: SinkKind;
  readonly countMax: number;
  readonly bytesMax: number;
  /** Age at which an incomplete batch goes; 0: what is there goes at once. */
  readonly timeMs: number;
  /** When staged rows are flushed. */
  readonly flushMs: number;
  readonly attemptTimeoutMs: number;
  readonly scheduleMs: readonly number[];
  /** How long the sink may do nothing but fail before it is in ERROR; undefined for the default. */
  readonly errorAfterMs: number | undefined;
  readonly isKeyBlocked: boolean;
  /** Requests a second, all partitions together; Infinity for no limit. */
  readonly ratePerSecond: number;
  /** Requests in flight, all partitions together; Infinity for no limit beside the kind's own. */
  readonly inFlightMax: number;
  /** What the version does to records before they are sent. */
  readonly transform: PlanTransform;
}

/** What the plans of a sink are made with. */
export interface PlanParts {
  readonly drivers: DriverTable;
  readonly templates: TemplateCompiler;
  /** The newest schema of the stream. */
  readonly schema: SchemaSource;
}

/** All drivers, by kind; `sinkDrivers` of src/sinks/index.ts fits. */
export type DriverTable = { readonly [K in SinkKind]?: SinkDriver<K> };

/** Finds the plan of a record's sequence, or of a version's number. */
export interface VersionTable {
  at(sequence: number): VersionPlan;
  byNumber(version: number): VersionPlan;
  newest(): VersionPlan;
}

/** The schedule of B01, in milliseconds; the last wait repeats. */
export const RETRY_SCHEDULE_MS: readonly number[] = [
  5_000, 30_000, 120_000, 600_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000,
];
const ATTEMPT_TIMEOUT_MS = 30_000;

/** The driver of a kind without its type parameter: configuration and driver belong together by construction. */
export type AnyDriver = SinkDriver<SinkKind>;

/** The driver of a kind. Throws when the table lacks it. */
export function driverOf(drivers: DriverTable, kind: SinkKind): AnyDriver {
  const driver = drivers[kind];
  if (!driver) throw new Error(`no driver for sinks of kind ${kind}`);
  return driver as unknown as AnyDriver;
}

/** Makes the table of a sink's versions; every version has a destination. */
function createVersionTable(sink: SinkDefinition, parts: PlanParts): VersionTable {
  const plans = sink.versions.map((version) => planOf(version, parts));
  let last = 0;
  return {
    at(sequence) {
      const isAt = (i: number) =>
        sequence >= plans[i]!.version.fromSequence &&
        (i + 1 === plans.length || sequence < plans[i + 1]!.version.fromSequence);
      if (isAt(last)) return plans[last]!;
      last = Math.max(
        0,
        plans.findLastIndex((plan) => plan.version.fromSequence <= sequence),
      );
      return plans[last]!;
    },
    byNumber(version) {
      return plans.find((plan) => plan.version.version === version) ?? plans.at(-1)!;
    },
    newest: () => plans.at(-1)!,
  };
}

/** The table of a sink, with the newest schema of its stream. */
export function versionsOf(
  sink: SinkDefinition,
  options: Pick<PlanParts, "drivers" | "templates"> & {
    readonly definitions: Pick<Definitions, "streamByLog">;
  },
): VersionTable {
  const { drivers, templates, definitions } = options;
  const schema = () => definitions.streamByLog(sink.log.uid)?.schema;
  return createVersionTable(sink, { drivers, templates, schema });
}

function planOf(version: SinkVersion, { drivers, templates, schema }: PlanParts): VersionPlan {
  const { sink } = version;
  const kind = sink.config.case;
  if (!kind) throw new Error(`version ${version.version} of a sink has no destination`);
  const driver = driverOf(drivers, kind);
  const timeMs = durationMs(sink.batching?.time);
  const schedule = sink.retry?.schedule.map((wait) => durationMs(wait) ?? 0) ?? [];
  return {
    version,
    kind,
    countMax: Math.min(
      sink.batching?.count || driver.defaults.count,
      driver.countMax,
      driver.countMaxOf?.(sink.config.value) ?? Number.POSITIVE_INFINITY,
    ),
    bytesMax: Number(sink.batching?.bytes ?? 0n) || driver.defaults.bytes,
    timeMs: timeMs ?? (driver.gathers ? driver.defaults.timeMs : 0),
    flushMs: timeMs ?? driver.defaults.timeMs,
    attemptTimeoutMs: durationMs(sink.retry?.timeout) || ATTEMPT_TIMEOUT_MS,
    scheduleMs: schedule.length > 0 ? schedule : RETRY_SCHEDULE_MS,
    errorAfterMs: durationMs(sink.retry?.errorAfter),
    ratePerSecond: sink.pace?.requestsPerSecond || Number.POSITIVE_INFINITY,
    inFlightMax: sink.pace?.concurrency || Number.POSITIVE_INFINITY,
    isKeyBlocked: sink.onRecordFailure === 2,
    transform: createPlanTransform(sink, schema, templates),
  };
}

function durationMs(duration: { seconds: bigint; nanos: number } | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
