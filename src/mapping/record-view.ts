/** A record as columns, templates and filters see it. */
import type { Body, BodyReader } from "./body.ts";
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

/** What is read of each record. */
export interface ViewPlan {
  readonly bodyOf: BodyReader;
  /** Paths into the record. */
  readonly fields: PathSet;
  /** Paths into its body. */
  readonly paths: PathSet;
}

/** One record with what is read of it at most once. */
export class RecordView {
  readonly record: MappedRecord;
  readonly #plan: ViewPlan;
  #text: string | undefined;
  #body: Body | undefined;
  #fields: readonly (string | undefined)[] | undefined;
  #values: readonly (string | undefined)[] | undefined;

  constructor(record: MappedRecord, plan: ViewPlan) {
    this.record = record;
    this.#plan = plan;
  }

  /** The record as JSON text. */
  get text(): string {
    const { buffer, byteOffset, byteLength } = this.record.json;
    this.#text ??= Buffer.from(buffer, byteOffset, byteLength).toString();
    return this.#text;
  }

  get body(): Body {
    this.#body ??= this.#plan.bodyOf(this.text);
    return this.#body;
  }

  /** JSON text of the value at a path into the record, by its slot; undefined when there is none. */
  fieldAt(slot: number): string | undefined {
    this.#fields ??= this.#plan.fields.find(this.text);
    return this.#fields[slot];
  }

  /** The same for a path into the body. */
  valueAt(slot: number): string | undefined {
    this.#values ??= this.#plan.paths.find(this.body.json ?? "");
    return this.#values[slot];
  }

  /** Arrival time as `YYYY-MM-DDTHH:MM:SS.mmmZ`. */
  get time(): string {
    return new Date(this.record.arrivalTimeUs / 1000).toISOString();
  }
}
