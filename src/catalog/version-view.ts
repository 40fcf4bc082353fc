/** Versions of definitions as callers see them: what callers set, secrets masked. */
import { create, fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { type Source, SourceSchema } from "#gen/tributary/management/v1/source_pb.js";
import { SchemaSchema, type Stream, StreamSchema } from "#gen/tributary/management/v1/stream_pb.js";
import {
  type DefinitionVersion,
  DefinitionVersionSchema,
} from "#gen/tributary/management/v1/version_pb.js";
import type { MasterKey } from "../core/envelope.ts";
import { openSealedSink } from "./sealed-sink.ts";
import { maskConfig, type SinkDrivers } from "./sink-kind.ts";
import type { VersionRow } from "./version-store.ts";

/** What a stream's versions keep. */
interface StreamDefinitionJson {
  readonly displayName: string;
  readonly description: string;
  /** An encoded Schema in base64. */
  readonly schema: string;
  readonly keyFields: string[];
  readonly throughput: number;
  readonly retentionAgeMs: number;
  readonly retentionBytes: number;
  readonly schemaMode: number;
  readonly notifyEmails: string[];
}

/** The stream of a version: what callers may set. */
export function streamOfVersion({ name, definition }: VersionRow): Stream {
  const { schema, retentionAgeMs, retentionBytes, ...rest } =
    definition as unknown as StreamDefinitionJson;
  return create(StreamSchema, {
    ...rest,
    name,
    schema: fromBinary(SchemaSchema, Buffer.from(schema, "base64")),
    retention: { age: durationFromMs(retentionAgeMs), bytes: BigInt(retentionBytes) },
  });
}

/** The source of a version, without secrets. */
export function sourceOfVersion({ name, definition }: VersionRow): Source {
  const bytes = Buffer.from((definition as { source: string }).source, "base64");
  return Object.assign(fromBinary(SourceSchema, bytes), { name });
}

/** The sink of a version, secrets included: never return it. Throws when it cannot be decrypted. */
export function sinkOfVersion(
  { name, projectUid, resourceUid, sealed }: VersionRow,
  masterKey: MasterKey,
): Sink {
  const owner = { projectUid, sinkUid: resourceUid };
  return Object.assign(openSealedSink(masterKey, owner, sealed!), { name });
}

/** A version as callers see it. */
export function viewVersion(
  row: VersionRow,
  { drivers, masterKey }: { readonly drivers: SinkDrivers; readonly masterKey: MasterKey },
): DefinitionVersion {
  const version = create(DefinitionVersionSchema, {
    name: `${row.name}/versions/${row.number}`,
    number: BigInt(row.number),
    action: row.action,
    author: row.author,
    createTime: timestampFromDate(row.createTime),
  });
  if (row.sealed) {
    const sink = sinkOfVersion(row, masterKey);
    sink.config = maskConfig(drivers, sink.config);
    version.definition = { case: "sink", value: sink };
  } else if ("source" in row.definition) {
    version.definition = { case: "source", value: sourceOfVersion(row) };
  } else {
    version.definition = { case: "stream", value: streamOfVersion(row) };
  }
  return version;
}

/** The definition of a version as JSON. */
export function versionJson({ definition }: DefinitionVersion): JsonValue {
  switch (definition.case) {
    case "stream":
      return toJson(StreamSchema, definition.value);
    case "sink":
      return toJson(SinkSchema, definition.value);
    case "source":
      return toJson(SourceSchema, definition.value);
    case undefined:
      return {};
  }
}
