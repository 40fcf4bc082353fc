/** Whether a source makes sense, all faults at once. */
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import { Source_Mode } from "#gen/tributary/management/v1/source_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { addressSet } from "../core/address-range.ts";
import { type FieldViolation, failFields } from "../core/errors.ts";
import { parseJsonPath } from "../core/json-path.ts";
import { requestSchemaFault } from "../core/request-schema.ts";
import { checkAuthentication } from "../sources/index.ts";
import { checkPoll } from "../sources/poll.ts";

const PUBLIC_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{3,63}$/;

/** Fails with INVALID_FIELDS; paths begin with `source.`. */
export function checkSource(source: Source, schema: Schema): void {
  const isPolled = source.mode === Source_Mode.POLL;
  const violations = [
    ...(isPolled ? checkPolled(source) : checkAuthentication(source)),
    ...checkAddresses(source.allowedAddresses),
    ...checkMode(source, schema),
  ];
  if (source.publicId !== "" && !PUBLIC_ID.test(source.publicId)) {
    const description =
      "is 4 to 64 letters, digits, dashes and underscores, the first none of these";
    violations.push({ field: "source.public_id", description });
  }
  if (source.recordIdPath !== "") violations.push(...checkPath(source.recordIdPath));
  if (violations.length > 0) throw failFields(violations);
}

function checkPolled(source: Source): FieldViolation[] {
  if (source.authentication.case === undefined) return checkPoll(source.poll);
  const description = "is for sources that others send to: leave it out in mode POLL";
  return [{ field: "source.authentication", description }, ...checkPoll(source.poll)];
}

function checkMode(source: Source, schema: Schema): FieldViolation[] {
  if (source.mode === Source_Mode.REQUEST) {
    const fault = requestSchemaFault(schema);
    const violations = fault ? [{ field: "source.mode", description: fault }] : [];
    if (source.quarantine) {
      const description = "is for mode RECORDS: in mode REQUEST nothing is refused for its shape";
      violations.push({ field: "source.quarantine", description });
    }
    return violations;
  }
  if (source.mode !== Source_Mode.POLL && source.poll) {
    return [{ field: "source.poll", description: "is for mode POLL" }];
  }
  if (source.methods.length === 0) return [];
  const description = "is for mode REQUEST: records come by POST";
  return [{ field: "source.methods", description }];
}

function checkAddresses(texts: readonly string[]): FieldViolation[] {
  return texts.flatMap((text, i) => {
    try {
      addressSet([text]);
      return [];
    } catch (error) {
      const { message } = error as Error;
      return [{ field: `source.allowed_addresses[${i}]`, description: message }];
    }
  });
}

function checkPath(text: string): FieldViolation[] {
  const field = "source.record_id_path";
  const parsed = parseJsonPath(text);
  if (!("path" in parsed)) {
    return [{ field, description: `${parsed.fault} at character ${parsed.at + 1}` }];
  }
  if (parsed.end === text.length) return [];
  return [{ field, description: `is no path from character ${parsed.end + 1} on` }];
}
