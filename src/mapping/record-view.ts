/** A record as columns, templates and filters see it. */
import type { PathSet } from "./path-set.ts";

/** What is known of the call that brought a record. */
export interface CallFacts {
  /** Network address of the sender; empty when not known. */
  readonly address: string;
  /** Request headers that the source keeps: names in lower case, in the order of the request. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/** A record that is to be mapped; every row on its way to a sink fits. */
export interface MappedRecord {
  /** UUID version 7. */
  readonly recordId: string;
  /** One JSON value as UTF-8, valid. */
  readonly json: Uint8Array;
  /** Microseconds since 1970 UTC. */
  readonly arrivalTimeUs: number;
  readonly call: CallFacts;
}

/** One record with what is read of it at most once. */
export class RecordView {
  readonly record: MappedRecord;
  readonly #paths: PathSet;
  #text: string | undefined;
  #values: readonly (string | undefined)[] | undefined;

  constructor(record: MappedRecord, paths: PathSet) {
    this.record = record;
    this.#paths = paths;
  }

  /** The body as text. */
  get text(): string {
    const { buffer, byteOffset, byteLength } = this.record.json;
    this.#text ??= Buffer.from(buffer, byteOffset, byteLength).toString();
    return this.#text;
  }

  /** JSON text of the value at the path of a slot; undefined when there is none. */
  valueAt(slot: number): string | undefined {
    this.#values ??= this.#paths.find(this.text);
    return this.#values[slot];
  }

  /** Arrival time as `YYYY-MM-DDTHH:MM:SS.mmmZ`. */
  get time(): string {
    return new Date(this.record.arrivalTimeUs / 1000).toISOString();
  }
}
