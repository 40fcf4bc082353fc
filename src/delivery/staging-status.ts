/** What the API says of a sink's staging. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  SinkCountsSchema,
  SinkStatusSchema,
  StagingStatusSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { StagingLimits } from "../sinks/staging.ts";
import type { SinkStatusInit } from "./sink-status.ts";
import type { StagingArea } from "./staging-area.ts";
import type { StagingFill } from "./staging-store.ts";
import { type DriverTable, driverOf } from "./version-table.ts";

/** The conditions of a sink's newest version; undefined when it does not stage. */
export function stagingLimitsOf(
  sink: Pick<SinkDefinition, "versions">,
  drivers: DriverTable,
): StagingLimits | undefined {
  const config = sink.versions.at(-1)?.sink.config;
  if (!config?.case) return undefined;
  return driverOf(drivers, config.case).staging?.limitsOf(config.value as never);
}

/** What a status of a staging sink is made with. */
export interface StagingFacts {
  readonly limits: StagingLimits;
  readonly fill: StagingFill;
  readonly nowMs: number;
  readonly keptMs: number;
}

/** The facts about a sink; undefined when it does not stage. */
export async function stagingFacts(
  sink: SinkDefinition,
  { area, drivers, nowMs }: { area: StagingArea | undefined; drivers: DriverTable; nowMs: number },
): Promise<StagingFacts | undefined> {
  const limits = area && stagingLimitsOf(sink, drivers);
  if (!limits) return undefined;
  return { limits, fill: await area.store.fill(sink.uid), nowMs, keptMs: area.keptMs };
}

/**
 * The status of a sink that stages. Its cursor counts rows as delivered once they are staged; the ledger
 * (D3) counts them as pending until they are imported, and as expired when they never were.
 */
export function withStaging(status: SinkStatusInit, facts: StagingFacts): SinkStatusInit {
  const { limits, fill, nowMs, keptMs } = facts;
  const { value: state } = fill.state;
  const counts = create(SinkCountsSchema, status.counts ?? {});
  const { delivered } = counts;
  // The two are not read at one moment: a row that was staged just now may not be counted yet.
  const expired = min(state.expiredRows, delivered);
  const waiting = min(BigInt(fill.rows), delivered - expired);
  const { oldestMs } = fill;
  const ageMs = oldestMs === undefined ? 0 : Math.max(0, Math.round(nowMs - oldestMs));
  counts.delivered -= waiting + expired;
  counts.pending += waiting;
  counts.expired += expired;
  return create(SinkStatusSchema, {
    ...status,
    counts,
    ...(oldestMs !== undefined && !status.lag && { lag: durationFromMs(ageMs) }),
    staging: create(StagingStatusSchema, {
      rows: BigInt(fill.rows),
      rowsLimit: BigInt(limits.count),
      bytes: BigInt(fill.bytes),
      bytesLimit: BigInt(limits.bytes),
      ageLimit: durationFromMs(limits.timeMs),
      importRows: state.importRows,
      expiredRows: state.expiredRows,
      ...(state.importTimeMs > 0n && { importTime: timestampFromMs(Number(state.importTimeMs)) }),
      ...(oldestMs !== undefined && {
        age: durationFromMs(ageMs),
        expireTime: timestampFromMs(oldestMs + keptMs),
      }),
    }),
  });
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
