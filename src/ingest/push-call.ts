/** A call to store records, and its answer, as all ways in know them. */
import type { BlockHeader } from "../core/record-block.ts";
import type { RecordSet } from "./record-set.ts";

/** One call. */
export interface PushCall {
  /** `projects/{p}/streams/{s}`; the caller must have been authorised for it. */
  readonly stream: string;
  /** Branch id; empty means `main`. */
  readonly branch: string;
  readonly records: RecordSet;
  /** Empty for none. */
  readonly idempotencyKey: string;
  readonly returnRecordIds: boolean;
  readonly caller: PushCaller;
}

/** Where a call came from, kept with its records. */
export interface PushCaller {
  /** Id of the principal. */
  readonly id: string;
  /** How it proved who it is: `oauth2`, `token`, `session`, or the kind of a source. */
  readonly authentication: string;
  readonly address: string;
  /** W3C traceparent; empty for none. */
  readonly traceContext: string;
  /** The way in: `push` when left out, else the id of the source. */
  readonly source?: string;
  /** Content type and headers of the request, where they are to be kept. */
  readonly contentType?: string;
  readonly headers?: readonly BlockHeader[];
}

/** The answer, as PushResponse has it. */
export interface PushResult {
  readonly accepted: bigint;
  readonly duplicate: boolean;
  readonly firstPlace: string;
  readonly recordIds: string[];
  readonly durabilityWarning: string;
}
