/**
 * Connect's JSON of an error, the same as `errorToJson` gives, at half its cost or less: who is over a
 * quota, or sends what a schema refuses, does so often. The details of such errors are four small
 * messages, which are written here without reflection, as texts whose characters are bytes; all else is
 * left to `errorToJson`.
 */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToString, errorToJson } from "@connectrpc/connect/protocol-connect";
import {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  type RequestInfo,
  RequestInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from "#gen/google/rpc/error_details_pb.js";

/** A detail: its protobuf bytes, and what says the same for people. */
interface Written {
  readonly bytes: string;
  readonly debug: JsonObject;
}

const BEYOND_ASCII = /[^ -~]/;

const WRITERS: Readonly<Record<string, (value: never) => Written | undefined>> = {
  [ErrorInfoSchema.typeName]: writeErrorInfo,
  [BadRequestSchema.typeName]: writeBadRequest,
  [RetryInfoSchema.typeName]: writeRetryInfo,
  [RequestInfoSchema.typeName]: writeRequestInfo,
};

/** The JSON of an error, without its headers. */
export function errorJson(error: ConnectError): JsonValue {
  const details: JsonObject[] = [];
  for (const detail of error.details) {
    if (!("desc" in detail)) return errorToJson(error, undefined);
    const type = detail.desc.typeName;
    const write = WRITERS[type];
    const written = write?.(detail.value as never);
    if (!written) return errorToJson(error, undefined);
    const { bytes, debug } = written;
    details.push({ type, debug, value: btoa(bytes).replace(/=+$/, "") });
  }
  return {
    code: codeToString(error.code),
    ...(error.rawMessage.length > 0 && { message: error.rawMessage }),
    ...(details.length > 0 && { details }),
  };
}

function writeErrorInfo({ reason, domain, metadata }: ErrorInfo): Written {
  let bytes = textField(1, reason) + textField(2, domain);
  let hasMetadata = false;
  for (const [name, value] of Object.entries(metadata)) {
    bytes += bytesField(3, entryText(1, name) + entryText(2, value));
    hasMetadata = true;
  }
  return {
    bytes,
    debug: {
      ...(reason && { reason }),
      ...(domain && { domain }),
      ...(hasMetadata && { metadata: { ...metadata } }),
    },
  };
}

/** Undefined for fields that no fault of ours has. */
function writeBadRequest({ fieldViolations }: BadRequest): Written | undefined {
  let bytes = "";
  const violations: JsonObject[] = [];
  for (const { field, description, reason, localizedMessage } of fieldViolations) {
    if (reason !== "" || localizedMessage) return undefined;
    bytes += bytesField(1, textField(1, field) + textField(2, description));
    violations.push({ ...(field && { field }), ...(description && { description }) });
  }
  return { bytes, debug: { ...(violations.length > 0 && { fieldViolations: violations }) } };
}

function writeRetryInfo({ retryDelay }: RetryInfo): Written {
  if (!retryDelay) return { bytes: "", debug: {} };
  const { seconds, nanos } = retryDelay;
  const bytes = bytesField(1, numberField(1, Number(seconds)) + numberField(2, nanos));
  // 3, 6 or 9 digits, as the JSON of a Duration has them.
  const digits = String(nanos)
    .padStart(9, "0")
    .replace(/(?:000){1,3}$/, "");
  return { bytes, debug: { retryDelay: `${seconds}${digits && `.${digits}`}s` } };
}

function writeRequestInfo({ requestId, servingData }: RequestInfo): Written {
  return {
    bytes: textField(1, requestId) + textField(2, servingData),
    debug: { ...(requestId && { requestId }), ...(servingData && { servingData }) },
  };
}

/** Left out when it is empty, as proto3 does. */
function textField(number: number, text: string): string {
  return text === "" ? "" : entryText(number, text);
}

function entryText(number: number, text: string): string {
  const isAscii = !BEYOND_ASCII.test(text);
  return bytesField(number, isAscii ? text : Buffer.from(text).toString("latin1"));
}

function bytesField(number: number, bytes: string): string {
  return String.fromCharCode(number * 8 + 2) + varint(bytes.length) + bytes;
}

function numberField(number: number, value: number): string {
  return value === 0 ? "" : String.fromCharCode(number * 8) + varint(value);
}

/** For whole numbers from 0 to 2^53. */
function varint(value: number): string {
  let text = "";
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128))
    text += String.fromCharCode((left % 128) | 128);
  return text + String.fromCharCode(left);
}
