/** Definitions of sinks as they lie in the database: encrypted whole, because configs hold secrets. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { type MasterKey, openSecret, sealSecret } from "../core/envelope.ts";

/** Whose a definition is: part of what is authenticated, so it opens in no other row. */
export interface SealedSinkOwner {
  readonly projectUid: string;
  readonly sinkUid: string;
}

/** Encrypts a whole definition for its owner. */
export function sealSink(masterKey: MasterKey, owner: SealedSinkOwner, sink: Sink): Uint8Array {
  return sealSecret(masterKey, toBinary(SinkSchema, sink), contextOf(owner));
}

/** Throws when the master key or the owner differs, or the bytes were changed. */
export function openSealedSink(
  masterKey: MasterKey,
  owner: SealedSinkOwner,
  sealed: Uint8Array,
): Sink {
  return fromBinary(SinkSchema, openSecret(masterKey, sealed, contextOf(owner)));
}

function contextOf({ projectUid, sinkUid }: SealedSinkOwner): string {
  return `projects/${projectUid}/sinks/${sinkUid}`;
}
