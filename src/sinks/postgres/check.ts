import { X509Certificate } from "node:crypto";
import { type PostgresSink, PostgresSink_Mode } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { checkChangeDataCapture, isSameSet } from "../../core/change-data-capture.ts";
import type { FieldViolation } from "../../core/errors.ts";
import { KEY_TYPES } from "../../core/key-types.ts";
import { columnsOf, settleKey } from "./columns.ts";
import { parseDatabaseUrl } from "./database-url.ts";
import { checkRouting } from "./routes.ts";
import { checkStaging } from "./staging-bounds.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;

/** Faults of a Postgres sink's configuration, all of them; texts never repeat the URL. */
export function checkPostgres(config: PostgresSink, schema: Schema): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  if (config.databaseUrl !== "") {
    const address = parseDatabaseUrl(config.databaseUrl);
    if (typeof address === "string") add("database_url", address);
  }
  if (config.schema !== "" && !IDENTIFIER.test(config.schema)) {
    add("schema", "must match [a-z_][a-z0-9_]{0,62}");
  }
  if (config.schema.startsWith("pg_") || config.schema === "information_schema") {
    add("schema", "is one of Postgres's own schemas");
  }
  if (config.schema === "tributary") add("schema", "is where cursors are kept: use another");
  if (!IDENTIFIER.test(config.table)) add("table", "must match [a-z_][a-z0-9_]{0,62}");
  violations.push(
    ...checkAuthority(config),
    ...checkCapture(config, schema),
    ...checkRouting(settleKey(config, schema), schema),
    ...checkColumns(config, schema),
    ...checkKey(settleKey(config, schema), schema),
    ...checkStaging(config),
  );
  return violations;
}

function checkAuthority({ certificateAuthority, databaseUrl }: PostgresSink): FieldViolation[] {
  if (certificateAuthority === "") return [];
  const field = "certificate_authority";
  const blocks = certificateAuthority.match(CERTIFICATE) ?? [];
  if (blocks.length === 0 || !blocks.every(isCertificate)) {
    return [{ field, description: "must hold certificates in PEM: -----BEGIN CERTIFICATE----- …" }];
  }
  const address = parseDatabaseUrl(databaseUrl);
  if (typeof address === "object" && address.tls === "verify-full") return [];
  return [{ field, description: "is used only with sslmode=verify-full in database_url" }];
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function checkCapture(config: PostgresSink, schema: Schema): FieldViolation[] {
  if (config.mode !== PostgresSink_Mode.CHANGE_DATA_CAPTURE) return [];
  const capture = schema.changeDataCapture;
  if (!capture) {
    const description =
      "CHANGE_DATA_CAPTURE needs a stream whose schema says change_data_capture: primary key, order field, delete field";
    return [{ field: "mode", description }];
  }
  const violations = checkChangeDataCapture(schema, [], "").map(({ description }) => ({
    field: "mode",
    description: `the rows do not keep what the changes need: ${description}`,
  }));
  if (config.primaryKey.length > 0 && !isSameSet(config.primaryKey, capture.primaryKey)) {
    const description = `must be that of the stream (${capture.primaryKey.join(", ")}), or empty`;
    violations.push({ field: "primary_key", description });
  }
  return violations;
}

function checkColumns(config: PostgresSink, schema: Schema): FieldViolation[] {
  const violations: FieldViolation[] = [];
  for (const field of schema.fields) {
    if (Buffer.byteLength(field.name) > 63) {
      violations.push({
        field: "table",
        description: `field ${field.name} has more than 63 bytes, the longest name of a column`,
      });
    }
  }
  const metadata = config.metadataColumns;
  const names = schema.fields.map((field) => field.name);
  for (const [field, name] of [
    ["metadata_columns.record_id", metadata?.recordId],
    ["metadata_columns.arrival_time", metadata?.arrivalTime],
    ["metadata_columns.producer_id", metadata?.producerId],
  ] as const) {
    if (!name) continue;
    if (!IDENTIFIER.test(name)) {
      violations.push({ field, description: "must match [a-z_][a-z0-9_]{0,62}" });
    }
    if (names.includes(name)) {
      violations.push({ field, description: `there is a column ${name} already` });
    }
    names.push(name);
  }
  return violations;
}

function checkKey(config: PostgresSink, schema: Schema): FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (config.mode === PostgresSink_Mode.UPSERT && config.primaryKey.length === 0) {
    violations.push({ field: "primary_key", description: "is needed for mode UPSERT" });
  }
  const columns = new Map(columnsOf(config, schema).map((column) => [column.name, column]));
  config.primaryKey.forEach((name, index) => {
    const add = (description: string) =>
      violations.push({ field: `primary_key[${index}]`, description });
    const column = columns.get(name);
    if (config.primaryKey.indexOf(name) !== index) add(`${name} is listed twice`);
    if (!column) add(`there is no column ${name}`);
    else if (!KEY_TYPES.has(column.type)) {
      add(`${name} has type ${Field_Type[column.type]}, which cannot be part of a key`);
    }
    const field = schema.fields.find((candidate) => candidate.name === name);
    if (field?.nullable) add(`${name} is nullable, and a key may hold no null`);
  });
  return violations;
}
