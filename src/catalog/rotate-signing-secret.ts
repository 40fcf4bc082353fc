/** Another signing secret for a webhook; for a while both sign, so that its receiver can change over. */
import { clone, create } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { RotateSigningSecretRequest } from "#gen/tributary/management/v1/sink_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { fail, failFields } from "../core/errors.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { newSigningSecret } from "./sink-check.ts";
import { checkConfig } from "./sink-kind.ts";
import { loadSink } from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import { saveVersion } from "./update-sink.ts";

const DAY_MS = 24 * 60 * 60_000;

/** Fails with WRONG_STATE for other kinds of sinks, INVALID_FIELDS, RESOURCE_NOT_FOUND and ETAG_STALE. */
export async function rotateSigningSecret(
  catalog: SinkCatalog,
  { name, signingSecret: chosen, overlap }: RotateSigningSecretRequest,
) {
  const { database, masterKey, drivers, now } = catalog;
  const saved = await database.inProject(name, (queries) => loadSink(queries, masterKey, name));
  const sink = clone(SinkSchema, newestVersion(saved.definition).sink);
  if (sink.config.case !== "webhook") {
    throw fail("WRONG_STATE", `${name} is no webhook, and has no signing secret`);
  }
  const config = sink.config.value;
  const signingSecret = chosen || newSigningSecret();
  const previousSecretEndTime = timestampFromMs(now() + (overlap ? durationMs(overlap) : DAY_MS));
  config.previousSigningSecret = config.signingSecret;
  config.previousSecretEndTime = previousSecretEndTime;
  config.signingSecret = signingSecret;
  const faults = checkConfig(drivers, sink.config, { schema: create(SchemaSchema) });
  const fault = faults.find(({ field }) => field.endsWith(".signing_secret"));
  if (fault) throw failFields([{ field: "signing_secret", description: fault.description }]);
  await saveVersion(catalog, saved, { sink });
  return { signingSecret, previousSecretEndTime };
}
