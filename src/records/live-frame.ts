/** Some neighbouring records of a log, decoded and encoded once for all who are sent them. */
import { create, toBinary, type UnknownField } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import {
  type TailRecordsResponse,
  TailRecordsResponseSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";
import { envelope } from "../core/straight-answer.ts";
import type { PlacedRecord } from "./placed-record.ts";

/** Records in one frame: bounds the size of an answer. */
export const FRAME_RECORDS_MAX = 500;
/** Bytes of records in one frame, unless a single one is larger. */
export const FRAME_BYTES_MAX = 1 << 20;

/** Records in the order of the log. At least one. */
export interface LiveFrame {
  readonly records: readonly PlacedRecord[];
  /** Bytes of their JSON. */
  readonly bytes: number;
  readonly lastSequence: number;
  /** The `records` of a TailRecordsResponse. */
  messages(): ReturnType<PlacedRecord["toMessage"]>[];
  /**
   * The same as they stand in the encoded message: a field that is written as it is, so that a frame for
   * a thousand readers is encoded once.
   */
  encoded(): UnknownField[];
  /** The first record by itself, then the others; the frame itself when it holds one. */
  firstAndRest(): readonly LiveFrame[];
  /** A whole enveloped TailRecordsResponse of these records and no counts, encoded once. */
  enveloped(toBytes: ResponseEncoder): Uint8Array;
}

/** Encodes a message of a tail, as JSON or binary. The same function each time: frames keep its result. */
export type ResponseEncoder = (response: TailRecordsResponse) => Uint8Array;

/** Makes a frame. `bytes`: of the records' JSON, where it is known already. */
export function createFrame(
  records: readonly PlacedRecord[],
  bytes: number = records.reduce((sum, { json }) => sum + json.length, 0),
): LiveFrame {
  let messages: ReturnType<PlacedRecord["toMessage"]>[] | undefined;
  let encoded: UnknownField[] | undefined;
  let parts: readonly LiveFrame[] | undefined;
  const enveloped = new Map<ResponseEncoder, Uint8Array>();
  const frame: LiveFrame = {
    records,
    bytes,
    lastSequence: records.at(-1)?.sequence ?? 0,
    messages: () => {
      messages ??= records.map((record) => record.toMessage());
      return messages;
    },
    encoded: () => {
      encoded ??= encode(frame);
      return encoded;
    },
    firstAndRest: () => {
      if (records.length === 1) return [frame];
      parts ??= [createFrame(records.slice(0, 1)), createFrame(records.slice(1))];
      return parts;
    },
    enveloped: (toBytes) => {
      let whole = enveloped.get(toBytes);
      if (!whole) {
        const response = create(TailRecordsResponseSchema, { records: frame.messages() });
        whole = envelope(toBytes(response));
        enveloped.set(toBytes, whole);
      }
      return whole;
    },
  };
  return frame;
}

/** Cuts records into frames. */
export function* framesOf(records: Iterable<PlacedRecord>): Generator<LiveFrame> {
  let open: PlacedRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (open.length > 0 && isFull(open.length, bytes + record.json.length)) {
      yield createFrame(open, bytes);
      open = [];
      bytes = 0;
    }
    open.push(record);
    bytes += record.json.length;
  }
  if (open.length > 0) yield createFrame(open, bytes);
}

function isFull(count: number, bytes: number): boolean {
  return count >= FRAME_RECORDS_MAX || bytes > FRAME_BYTES_MAX;
}

function encode(frame: LiveFrame): UnknownField[] {
  const message = create(TailRecordsResponseSchema, { records: frame.messages() });
  const bytes = toBinary(TailRecordsResponseSchema, message);
  const { number } = TailRecordsResponseSchema.field.records;
  // What follows the first tag: length and bytes of the first record, then the others with their tags.
  return [{ no: number, wireType: WireType.LengthDelimited, data: bytes.subarray(1) }];
}
