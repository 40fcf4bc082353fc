/** Whether a sink makes sense, all faults at once; and whether its destination answers. */
import { randomBytes } from "node:crypto";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  type Sink,
  Sink_RecordFailure,
  Sink_WhenFull,
} from "#gen/tributary/management/v1/sink_pb.js";
import { type Schema, Schema_Preset } from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldViolation, fail, failFields } from "../core/errors.ts";
import { createBodyTemplates } from "../mapping/body-template.ts";
import { compileTransform } from "../mapping/row-transform.ts";
import type { SinkCatalog, SinkIdentity } from "./sink-catalog.ts";
import { checkConfig, driverOf, testConfig, withKey } from "./sink-kind.ts";

const DAY_MS = 24 * 60 * 60_000;

/** What a destination is given: rows of this schema. */
export interface SinkShape {
  readonly schema: Schema;
  /** The configuration with the primary key that the mapping names. */
  readonly config: Sink["config"];
}

/** Fails with INVALID_FIELDS; paths begin with `sink`. */
export function checkSink(
  { drivers, templates }: Pick<SinkCatalog, "drivers" | "templates">,
  sink: Sink,
  streamSchema: Schema,
): SinkShape {
  const transform = compileTransform(sink, streamSchema, templates);
  if (Array.isArray(transform)) throw failFields(transform.map(belowSink));
  const { schema, primaryKey } = transform;
  const config = withKey(drivers, sink.config, primaryKey);
  const violations: FieldViolation[] = checkConfig(drivers, config, {
    schema,
    templates: createBodyTemplates(templates),
  });
  const isStaged = driverOf(drivers, config)?.staging?.limitsOf(config.value as never);
  if (isStaged && sink.onRecordFailure === Sink_RecordFailure.BLOCK_KEY) {
    const description = "BLOCK_KEY is not for a sink that stages: imports hold single rows";
    violations.push({ field: "sink.on_record_failure", description });
  }
  if (sink.filter && streamSchema.preset === Schema_Preset.USAGE_DATA) {
    const description = "usage data is delivered whole: only other streams take filters";
    violations.push({ field: "sink.filter", description });
  }
  const driver = driverOf(drivers, sink.config);
  const countMax = driver?.countMaxOf?.(sink.config.value!) ?? driver?.countMax;
  if (countMax !== undefined && (sink.batching?.count ?? 0) > countMax) {
    const description = `a ${sink.config.case} sink takes at most ${countMax} record${countMax === 1 ? "" : "s"} a batch`;
    violations.push({ field: "sink.batching.count", description });
  }
  for (const [index, wait] of (sink.retry?.schedule ?? []).entries()) {
    if (durationMs(wait) > 0 && durationMs(wait) <= DAY_MS) continue;
    const field = `sink.retry.schedule[${index}]`;
    violations.push({ field, description: "must be above 0 and at most 24 hours" });
  }
  if (violations.length > 0) throw failFields(violations);
  return { schema, config };
}

/** Fails with INVALID_FIELDS for a sink that would read on in an archive that is not there. */
export function checkSpill(sink: Sink, stream: { readonly isArchived: boolean }): void {
  if (sink.whenFull !== Sink_WhenFull.SPILL || stream.isArchived) return;
  const description = "SPILL reads on in the archive of the stream, which has none: set it first";
  throw failFields([{ field: "sink.when_full", description }]);
}

function belowSink({ field, description }: FieldViolation): FieldViolation {
  return { field: `sink.${field}`, description };
}

/**
 * Tries a destination and makes what is missing there, such as a table. Fails with
 * DESTINATION_REFUSED, which names the first stage that failed.
 */
export async function tryDestination(
  catalog: SinkCatalog,
  config: Sink["config"],
  options: {
    readonly identity: SinkIdentity;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const driver = driverOf(catalog.drivers, config);
  if (!driver) return;
  const environment = catalog.environmentOf(options.identity);
  const stages = await testConfig(driver, config, {
    environment,
    prepare: true,
    signal: options.signal,
  });
  const failed = stages.find((stage) => !stage.isOk);
  if (!failed) return;
  throw fail("DESTINATION_REFUSED", `${failed.name}: ${failed.message}`, {
    metadata: { stage: failed.name },
  });
}

/** Makes the signing secret of a webhook that brings none; gives what was made. */
export function makeSigningSecret(config: Sink["config"]): string | undefined {
  if (config.case !== "webhook" || config.value.signingSecret !== "") return undefined;
  config.value.signingSecret = newSigningSecret();
  return config.value.signingSecret;
}

/** A secret of Standard Webhooks. */
export function newSigningSecret(): string {
  return `whsec_${randomBytes(32).toString("base64")}`;
}
