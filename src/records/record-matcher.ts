/** Which records a call wants: by key and by filter. */
import type { StreamDefinition, StreamVersion } from "../core/definitions.ts";
import { failFields } from "../core/errors.ts";
import { type CanonicalKey, canonicalKeyFrom, canonicalKeyOf } from "../core/record-rules.ts";
import type { PlacedRecord } from "./placed-record.ts";
import { parseRecordFilter } from "./record-filter.ts";

/** Whether a record is wanted. */
export type RecordMatcher = (record: PlacedRecord) => boolean;

/** Fails with INVALID_FIELDS for a bad filter, and for a key that is not one of the stream's. */
export function createRecordMatcher(
  stream: StreamDefinition,
  request: { readonly key: string; readonly filter: string },
): RecordMatcher {
  const parsed = parseRecordFilter(request.filter);
  if ("fault" in parsed) {
    const description = `${parsed.fault} (at character ${parsed.at + 1})`;
    throw failFields([{ field: "filter", description }]);
  }
  if (request.key === "") return (record) => parsed.filter(record.json);
  if (stream.keyFields.length === 0) {
    throw failFields([{ field: "key", description: `${stream.name} has no key fields` }]);
  }
  const hasKey = createKeyMatcher(stream, canonicalKeyFrom(request.key, stream));
  return (record) => hasKey(record) && parsed.filter(record.json);
}

/**
 * The hash tells most records apart without parsing; the canonical text settles the rest. A record
 * of an earlier generation is read by the key fields that it was stored under.
 */
function createKeyMatcher(stream: StreamDefinition, key: CanonicalKey): RecordMatcher {
  const versions = new Map<number, StreamVersion>();
  for (const version of [...stream.history, stream]) versions.set(version.generation, version);
  return (record) => {
    if (record.keyHash !== key.hash) return false;
    const version = versions.get(record.generation);
    return version !== undefined && canonicalKeyOf(record.json, version)?.text === key.text;
  };
}
