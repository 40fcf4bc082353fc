/** The bounds of a staged table export's conditions. */
import type { PostgresSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";

const TIME_MIN_SECONDS = 30;
const TIME_MAX_SECONDS = 24 * 60 * 60;
const SIZE_MIN = 100;
const SIZE_MAX = 50 * 1024 * 1024;
const COUNT_MAX = 10_000_000;

/** Conditions outside of their bounds, by paths below the configuration. */
export function checkStaging({ staging, routing }: PostgresSink): FieldViolation[] {
  if (!staging) return [];
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) =>
    violations.push({ field: `staging${field}`, description });
  if (routing) add("", "cannot be combined with routing: make a sink for each table");
  const { time, size, count } = staging;
  const seconds = time && Number(time.seconds) + time.nanos / 1e9;
  if (seconds !== undefined && !(seconds >= TIME_MIN_SECONDS && seconds <= TIME_MAX_SECONDS)) {
    add(".time", "must be between 30 seconds and 24 hours");
  }
  if (size !== 0n && (size < SIZE_MIN || size > SIZE_MAX)) {
    add(".size", "must be between 100 and 52428800 bytes (50 MB)");
  }
  if (count !== 0n && (count < 1 || count > COUNT_MAX)) {
    add(".count", "must be between 1 and 10000000");
  }
  return violations;
}

/** Whether rows are staged says where the position of the sink is kept, and so it stays as it is. */
export function checkStagingKept(config: PostgresSink, saved: PostgresSink): FieldViolation[] {
  if ((config.staging === undefined) === (saved.staging === undefined)) return [];
  const description = saved.staging
    ? "cannot be taken away: make another sink to write rows at once"
    : "cannot be added: make another sink to stage rows";
  return [{ field: "staging", description }];
}
