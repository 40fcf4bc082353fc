/** PushRequest in binary, and decoded ones: their records as JSON text in one buffer. */
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { type Struct, StructSchema } from "@bufbuild/protobuf/wkt";
import type { PushRequest } from "#gen/tributary/push/v1/push_service_pb.js";
import { fail, failFields } from "../core/errors.ts";
import {
  readBool,
  readBytes,
  readMessage,
  readString,
  readVarint,
  skipValue,
  type WireCursor,
  WireError,
  wireCursor,
} from "../core/record-wire.ts";
import type { PushBody } from "./push-body.ts";
import {
  countOf,
  createCollector,
  finishCollector,
  type RecordCollector,
  takeApart,
  takeId,
  takeInPlace,
} from "./record-set.ts";

/** The call's fields without its records. */
type Envelope = { -readonly [K in Exclude<keyof PushBody, "records">]: PushBody[K] };

/**
 * Reads a PushRequest in the protobuf wire format. Records given as `json` stay where they are.
 * Fails with INVALID_BODY, INVALID_FIELDS or TOO_LARGE. Unknown fields are skipped, as protobuf asks.
 */
export function readPushMessage(body: Uint8Array): PushBody {
  const collector = createCollector(body);
  const envelope = { stream: "", branch: "", idempotencyKey: "", returnRecordIds: false };
  try {
    const cursor = wireCursor(body);
    while (cursor.at < cursor.end) {
      const tag = readVarint(cursor);
      if (tag === 0x1a) readRecord(collector, readMessage(cursor));
      else readField(envelope, cursor, tag);
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const text = `the body is not a valid tributary.push.v1.PushRequest: ${error.message}`;
    throw fail("INVALID_BODY", text, { cause: error });
  }
  return { ...envelope, records: finishCollector(collector, false) };
}

/** The same for a message that generated code has decoded. */
export function fromPushRequest(request: PushRequest): PushBody {
  const collector = createCollector(new Uint8Array(0));
  for (const record of request.records) {
    const { payload } = record;
    if (payload.case === undefined) throw payloadMissing(countOf(collector));
    const bytes = payload.case === "json" ? payload.value : jsonOf(payload.value);
    takeApart(collector, bytes ?? notFinite(countOf(collector)));
    takeId(collector, record.id);
  }
  const { stream, branch, idempotencyKey, returnRecordIds } = request;
  const records = finishCollector(collector, false);
  return { stream, branch, idempotencyKey, returnRecordIds, records };
}

function readField(envelope: Envelope, cursor: WireCursor, tag: number): void {
  if (tag === 0x0a) envelope.stream = readString(cursor);
  else if (tag === 0x12) envelope.branch = readString(cursor);
  else if (tag === 0x22) envelope.idempotencyKey = readString(cursor);
  else if (tag === 0x28) envelope.returnRecordIds = readBool(cursor);
  else skipField(cursor, tag);
}

function readRecord(collector: RecordCollector, cursor: WireCursor): void {
  let struct: Uint8Array | undefined;
  let json: Uint8Array | undefined;
  let id = "";
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor);
    if (tag === 0x0a) {
      // The last one of a oneof counts; the same message twice is merged, and so is their text.
      const part = readBytes(cursor);
      struct = struct ? Buffer.concat([struct, part]) : part;
      json = undefined;
    } else if (tag === 0x12) {
      json = readBytes(cursor);
      struct = undefined;
    } else if (tag === 0x1a) id = readString(cursor);
    else skipField(cursor, tag);
  }
  const index = countOf(collector);
  if (json) takeInPlace(collector, json);
  else if (struct) takeApart(collector, structJson(struct, index));
  else throw payloadMissing(index);
  takeId(collector, id);
}

function skipField(cursor: WireCursor, tag: number): void {
  if (tag < 8) throw new WireError("a field has the number 0");
  skipValue(cursor, tag & 7);
}

function structJson(bytes: Uint8Array, index: number): Uint8Array {
  let struct: Struct;
  try {
    struct = fromBinary(StructSchema, bytes);
  } catch (cause) {
    throw new WireError(`records[${index}].value is no google.protobuf.Struct`, { cause });
  }
  return jsonOf(struct) ?? notFinite(index);
}

/** The JSON text of a Struct; undefined when it holds what JSON cannot say. */
function jsonOf(value: unknown): Uint8Array | undefined {
  try {
    // Generated code gives a Struct field as a plain JSON object; one read by hand is a message.
    const isMessage = (value as { $typeName?: unknown }).$typeName === StructSchema.typeName;
    const json = isMessage ? toJson(StructSchema, value as Struct) : value;
    if (!isMessage && !isFiniteJson(json)) return undefined;
    return Buffer.from(JSON.stringify(json), "utf8");
  } catch {
    return undefined;
  }
}

function isFiniteJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(isFiniteJson);
}

function notFinite(index: number): never {
  const field = `records[${index}].value`;
  const description = "holds NaN, an infinite number or no value, which JSON does not have";
  throw failFields([{ field, description }]);
}

function payloadMissing(index: number) {
  return failFields([
    { field: `records[${index}]`, description: "has neither value nor json: set one of them" },
  ]);
}
