/** Whether a stream makes sense, all faults at once. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Stream, Stream_SchemaMode } from "#gen/tributary/management/v1/stream_pb.js";
import { type FieldViolation, failFields } from "../core/errors.ts";
import { checkSchemaDefinition } from "../core/schema-definition.ts";

const MINUTE_MS = 60_000;
const YEAR_MS = 365 * 24 * 60 * MINUTE_MS;
const MIB = 2n ** 20n;
const TIB = 2n ** 40n;

/** A stream that takes what its schema does not know may begin with none. */
function checkSchema({ schema, schemaMode, keyFields }: Stream): FieldViolation[] {
  const isEmpty = (schema?.fields.length ?? 0) === 0;
  const takesAll = schemaMode === Stream_SchemaMode.EVOLVE || schemaMode === Stream_SchemaMode.OPEN;
  if (isEmpty && takesAll && keyFields.length === 0) return [];
  return checkSchemaDefinition(schema, keyFields);
}

/** Fails with INVALID_FIELDS, of the faults that are known already as well; paths begin with `stream.`. */
export function checkStream(stream: Stream, known: readonly FieldViolation[] = []): void {
  const violations = [...known, ...checkSchema(stream)];
  const { age, bytes = 0n } = stream.retention ?? {};
  const ageMs = age && durationMs(age);
  if (ageMs !== undefined && (ageMs < MINUTE_MS || ageMs > YEAR_MS)) {
    violations.push({ field: "stream.retention.age", description: "must be 1 minute to 365 days" });
  }
  if (bytes !== 0n && (bytes < MIB || bytes > 16n * TIB)) {
    const description = "must be 1 MiB (1048576) to 16 TiB (17592186044416)";
    violations.push({ field: "stream.retention.bytes", description });
  }
  if (violations.length > 0) throw failFields(violations);
}
