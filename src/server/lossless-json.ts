/**
 * Stored records in JSON answers, byte for byte: a Struct would round 9007199254740993. Services set
 * `json`; binary answers carry it, and JSON answers print it as `"value"` in its place.
 */
import {
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { type HeldRecord, HeldRecordSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { type Record, RecordSchema } from "#gen/tributary/records/v1/record_pb.js";

const CARRIERS = new Set<string>([RecordSchema.typeName, HeldRecordSchema.typeName]);

// A quote within a string is always escaped, so this can only be a property named json. `value` is
// always empty here (see clearValues), so no free-form object can hold such a property.
const JSON_PROPERTY = /"json":"([A-Za-z0-9+/=_-]*)"/g;

const encoder = new TextEncoder();

/** Whether the answers of an rpc hold stored records directly, in a repeated field. */
export function carriesRecords(method: DescMethod): boolean {
  return method.output.fields.some(isCarrierField);
}

/** Replaces each `json` property of an answer's JSON text by `value` with the stored text. */
export function printStoredValues(jsonText: string): string {
  return jsonText.replace(
    JSON_PROPERTY,
    (_whole, base64: string) => `"value":${Buffer.from(base64, "base64").toString("utf8")}`,
  );
}

/** A message with stored records as the JSON bytes that an answer holds. */
export function encodeStoredValues<D extends DescMessage>(
  schema: D,
): (message: MessageShape<D>) => Uint8Array {
  return (message) => storedValueEncoder.encode(toJsonString(schema, message));
}

/** As a TextEncoder, for the place where Connect lets one be given. */
export const storedValueEncoder = {
  encode: (jsonText: string) => encoder.encode(printStoredValues(jsonText)),
};

/** Makes sure that records travel in `json` only. Runs on rpcs whose answers hold records. */
export const storedValues: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!carriesRecords(request.method)) return response;
  if (!response.stream) {
    clearValues(request.method.output, response.message);
    return response;
  }
  return { ...response, message: clearEach(request.method.output, response.message) };
};

async function* clearEach<M extends Message>(
  schema: DescMessage,
  messages: AsyncIterable<M>,
): AsyncIterable<M> {
  for await (const message of messages) {
    clearValues(schema, message);
    yield message;
  }
}

function clearValues(schema: DescMessage, message: Message): void {
  for (const field of schema.fields.filter(isCarrierField)) {
    const records = (message as unknown as { [name: string]: (Record | HeldRecord)[] })[
      field.localName
    ];
    for (const record of records ?? []) {
      if (record.json.length === 0 && record.value) {
        record.json = encoder.encode(JSON.stringify(record.value));
      }
      delete record.value;
    }
  }
}

function isCarrierField(field: DescMessage["fields"][number]): boolean {
  return (
    field.fieldKind === "list" &&
    field.listKind === "message" &&
    CARRIERS.has(field.message.typeName)
  );
}
