/** Records as lanes see them: made once from a stored message, shared by all sinks of its log. */
import type { LogMessage } from "../core/log.ts";
import { decodeRecordBatch } from "../core/record-batch.ts";
import { recordId } from "../core/record-id.ts";
import type { CallFacts } from "../mapping/record-view.ts";
import type { Place, SinkRow } from "../sinks/sink.ts";

/** What stands with each record in memory beside its JSON, roughly, in bytes. */
const ROW_OVERHEAD_BYTES = 200;

/** A record on its way. Its id is computed when it is first asked for. */
export class LaneRow implements SinkRow {
  readonly place: Place;
  readonly json: Uint8Array;
  readonly arrivalTimeUs: number;
  readonly producerId: string;
  readonly schemaVersion: number;
  readonly call: CallFacts;
  /** Kafka's murmur2 of the key; undefined on a stream without keys. */
  readonly keyHash: number | undefined;
  readonly #logUid: string;
  #recordId: string | undefined;

  constructor(logUid: string, fields: Omit<LaneRow, "recordId" | "bytes" | "headers">) {
    this.#logUid = logUid;
    this.place = fields.place;
    this.json = fields.json;
    this.arrivalTimeUs = fields.arrivalTimeUs;
    this.producerId = fields.producerId;
    this.schemaVersion = fields.schemaVersion;
    this.call = fields.call;
    this.keyHash = fields.keyHash;
  }

  get recordId(): string {
    this.#recordId ??= recordId(this.#logUid, this.place, Math.floor(this.arrivalTimeUs / 1000));
    return this.#recordId;
  }

  get headers(): CallFacts["headers"] {
    return this.call.headers;
  }

  /** Memory that the row takes, in bytes. */
  get bytes(): number {
    return this.json.byteLength + ROW_OVERHEAD_BYTES;
  }
}

/** The records of a stored message. Fails with FORMAT_NEWER or LOG_CORRUPT. */
export function decodeRows(message: LogMessage): readonly LaneRow[] {
  const rows: LaneRow[] = [];
  for (const call of decodeRecordBatch(message.data).calls) {
    call.records.forEach((json, i) => {
      rows.push(
        new LaneRow(message.logUid, {
          place: { sequence: message.sequence, index: call.firstIndex + i },
          json,
          arrivalTimeUs: call.arrivalTimeUs,
          producerId: call.producerIds[i] ?? "",
          schemaVersion: call.schemaVersion,
          call,
          keyHash: call.keyHashes[i],
        }),
      );
    });
  }
  return rows;
}

/** `decodeRows` that remembers its last answer, for the sinks of one log that see a message in turn. */
export function createRowDecoder(): (message: LogMessage) => readonly LaneRow[] {
  let last: LogMessage | undefined;
  let rows: readonly LaneRow[] = [];
  return (message) => {
    if (message !== last) {
      rows = decodeRows(message);
      last = message;
    }
    return rows;
  };
}
