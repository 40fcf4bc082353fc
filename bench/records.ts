/** The records and calls that the benchmarks push. */
import { create, toBinary } from "@bufbuild/protobuf";
import { PushRequestSchema } from "#gen/tributary/push/v1/push_service_pb.js";

/** Fields of the streams. */
export const FIELDS = { sensor_id: "STRING", temperature: "DOUBLE", created_at: "TIMESTAMP" };

/** A record of 83 to 84 bytes; a hundred keys. */
export function recordText(i: number): string {
  const temperature = (4 + (i % 1000) / 1000).toFixed(3);
  return `{"sensor_id":"sensor-${i % 100}","temperature":${temperature},"created_at":"2026-01-01T00:00:00Z"}`;
}

/** Body of the REST face: an array of `{"value":…}`. */
export function restBody(count: number, first = 0): string {
  const values = Array.from({ length: count }, (_, i) => `{"value":${recordText(first + i)}}`);
  return `[${values.join(",")}]`;
}

/** Body of a source: an array of records. */
export function sourceBody(count: number): string {
  return `[${Array.from({ length: count }, (_, i) => recordText(i)).join(",")}]`;
}

/** Body of Push in JSON, as Connect takes it. */
export function connectBody(stream: string, count: number): string {
  return `{"stream":"${stream}","records":${restBody(count)}}`;
}

/** Message of Push for gRPC, with the records as JSON bytes. */
export function messageBody(stream: string, count: number): Uint8Array {
  const records = Array.from({ length: count }, (_, i) => ({
    payload: { case: "json" as const, value: Buffer.from(recordText(i)) },
  }));
  return toBinary(PushRequestSchema, create(PushRequestSchema, { stream, records }));
}
