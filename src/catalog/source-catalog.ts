/** What SourceService needs beyond the other services. */
import type { QuarantinedRecord } from "#gen/tributary/management/v1/source_pb.js";
import type { TestSourceResponse_Outcome } from "#gen/tributary/management/v1/source_service_pb.js";
import type { SourceDefinition } from "../core/definitions.ts";
import type { SinkCatalog } from "./sink-catalog.ts";

/** A request that is only tried. */
export interface TriedRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
}

/** What the way in does for SourceService. */
export interface SourceDesk {
  /** What would become of a request. */
  tryRequest(
    source: SourceDefinition,
    request: TriedRequest,
  ): Promise<{
    readonly error: string;
    readonly outcomes: readonly Pick<
      TestSourceResponse_Outcome,
      "content" | "producerId" | "error"
    >[];
  }>;
  /** Ids of all records in quarantine, newest first. */
  ids(source: SourceDefinition): Promise<string[]>;
  read(source: SourceDefinition, ids: readonly string[]): Promise<QuarantinedRecord[]>;
  /** Pushes records again; `json` stands in place of what came. */
  resend(
    source: SourceDefinition,
    ids: readonly string[],
    json: Uint8Array | undefined,
  ): Promise<{
    readonly resent: number;
    readonly refusals: readonly { readonly id: string; readonly error: string }[];
  }>;
  remove(source: SourceDefinition, ids: readonly string[]): Promise<void>;
  /** Forgets everything of a source that is deleted. */
  removeAll(source: { readonly uid: string; readonly projectUid: string }): Promise<void>;
}

/** The catalog with sinks and the way in. */
export interface SourceCatalog extends SinkCatalog {
  readonly desk: SourceDesk;
  /** Address of the installation. */
  readonly publicUrl: () => string;
}
