/** The rows of an attempt whose request was not kept, made again from the log and the sink's version. */
import { create } from "@bufbuild/protobuf";
import {
  type Attempt,
  type AttemptExchange,
  AttemptExchangeSchema,
} from "#gen/tributary/management/v1/attempt_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { MappingFault } from "../mapping/mapping.ts";
import { compileTransform } from "../mapping/row-transform.ts";
import { BODY_BYTES_MAX } from "./mask-exchange.ts";
import { type Range, readRanges } from "./stored-records.ts";
import type { WatchParts } from "./watch-parts.ts";

const MAP_MS = 10_000;

/**
 * An exchange whose body is a JSON array of the rows, as a webhook would get them; undefined when the
 * records, the version or a schema that fits are gone. Fails with LOG_UNAVAILABLE.
 */
export async function remakeRequest(
  parts: WatchParts,
  sink: SinkDefinition,
  attempt: Attempt,
): Promise<AttemptExchange | undefined> {
  const version = sink.versions.find((v) => BigInt(v.version) === attempt.sinkVersion);
  const schema = parts.definitions.streamByLog(sink.log.uid)?.schema;
  const ranges = attempt.ranges.flatMap(parseRange);
  if (!version || !schema || ranges.length === 0 || attempt.partition < 0) return undefined;
  const transform = compileTransform(version.sink, schema, parts.templates);
  if (Array.isArray(transform)) return undefined;
  const { partition } = attempt;
  const options = { ranges, partition, bytesMax: BODY_BYTES_MAX };
  const records = await readRanges(parts.reader, sink.log, options);
  if (!records) return undefined;
  const passing = attempt.replay ? records : records.filter((record) => transform.passes(record));
  const signal = AbortSignal.timeout(MAP_MS);
  const made = (await transform.map?.(passing, signal)) ?? passing.map(({ json }) => json);
  const rows = made.filter((row) => !(row instanceof MappingFault)) as Uint8Array[];
  const body = Buffer.from(`[${rows.map((row) => Buffer.from(row).toString()).join(",")}]`);
  return create(AttemptExchangeSchema, {
    requestBody: Uint8Array.from(body.subarray(0, BODY_BYTES_MAX)),
    requestBodySize: BigInt(body.byteLength),
  });
}

function parseRange(text: string): Range[] {
  const match = /^(\d+)-(\d+)\/(\d+)-(\d+)$/.exec(text);
  if (!match) return [];
  const [, a, b, c, d] = match.map(Number);
  return [{ from: { sequence: a!, index: b! }, to: { sequence: c!, index: d! } }];
}
