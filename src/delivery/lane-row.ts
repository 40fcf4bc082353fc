/** Records as lanes see them: made once from a stored message, shared by all sinks of its log. */
import type { LogMessage } from "../core/log.ts";
import { type CallSpans, decodeCallSpans } from "../core/record-batch.ts";
import { recordId } from "../core/record-id.ts";
import type { CallFacts } from "../mapping/record-view.ts";
import type { Place, SinkRow } from "../sinks/sink.ts";

/** What stands with each record in memory beside its JSON, roughly, in bytes. */
const ROW_OVERHEAD_BYTES = 200;

/** What the rows of one call have in common. */
export interface RowOrigin {
  readonly logUid: string;
  /** Sequence of their message. */
  readonly sequence: number;
  readonly call: Omit<CallSpans, "source" | "authentication" | "contentType" | "traceContext">;
}

/**
 * A record on its way: its number within its call, so that the many which wait are small. What is asked of it is
 * made each time, but for its id.
 */
export class LaneRow implements SinkRow {
  readonly #origin: RowOrigin;
  readonly #index: number;
  #recordId: string | undefined;

  constructor(origin: RowOrigin, index: number) {
    this.#origin = origin;
    this.#index = index;
  }

  get place(): Place {
    const { sequence, call } = this.#origin;
    return { sequence, index: call.firstIndex + this.#index };
  }

  /** Sequence of its message. */
  get sequence(): number {
    return this.#origin.sequence;
  }

  get json(): Uint8Array {
    const { bytes, spans } = this.#origin.call;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + spans[this.#index * 2]!, this.jsonBytes);
  }

  /** Length of `json`. */
  get jsonBytes(): number {
    const { spans } = this.#origin.call;
    return spans[this.#index * 2 + 1]! - spans[this.#index * 2]!;
  }

  get arrivalTimeUs(): number {
    return this.#origin.call.arrivalTimeUs;
  }

  get producerId(): string {
    return this.#origin.call.producerIds[this.#index] ?? "";
  }

  get schemaVersion(): number {
    return this.#origin.call.schemaVersion;
  }

  /** Kafka's murmur2 of the key; undefined on a stream without keys. */
  get keyHash(): number | undefined {
    const { keyHashes } = this.#origin.call;
    return this.#index < keyHashes.length ? keyHashes[this.#index] : undefined;
  }

  get call(): CallFacts {
    return this.#origin.call;
  }

  get recordId(): string {
    const { logUid, call } = this.#origin;
    this.#recordId ??= recordId(logUid, this.place, Math.floor(call.arrivalTimeUs / 1000));
    return this.#recordId;
  }

  get headers(): CallFacts["headers"] {
    return this.#origin.call.headers;
  }

  /** Memory that the row takes, in bytes. */
  get bytes(): number {
    return this.jsonBytes + ROW_OVERHEAD_BYTES;
  }
}

/** The records of a stored message. Fails with FORMAT_NEWER or LOG_CORRUPT. */
export function decodeRows({ logUid, sequence, data }: LogMessage): readonly LaneRow[] {
  const rows: LaneRow[] = [];
  for (const call of decodeCallSpans(data)) {
    const origin = { logUid, sequence, call };
    const count = call.spans.length / 2;
    for (let i = 0; i < count; i++) rows.push(new LaneRow(origin, i));
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
