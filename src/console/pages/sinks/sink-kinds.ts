/** The kinds of destinations, as the protos list them. */
import type { DescField } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  type Sink,
  SinkSchema,
  Sink_State as State,
} from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { transport } from "../../api/transport.ts";
import { commentOf, wordsOf } from "../../parts/message-words.ts";

/** Calls of sinks. */
export const sinks = createClient(SinkService, transport);

/** A kind of destination. */
export interface SinkKind {
  /** Its part of the address, such as `postgres`. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly field: DescField;
}

/** Every kind that the server has. */
export const SINK_KINDS: readonly SinkKind[] = (
  SinkSchema.oneofs.find(({ name }) => name === "config")?.fields ?? []
).map((field) => ({
  id: field.jsonName,
  title: wordsOf(field.name),
  text: commentOf(field),
  field,
}));

/** The title of a sink's kind. */
export function kindTitle(sink: Sink): string {
  return SINK_KINDS.find(({ id }) => id === sink.config.case)?.title ?? "Unknown kind";
}

/** How each state is shown. */
export const STATES: Readonly<Record<State, readonly [string, string]>> = {
  [State.STATE_UNSPECIFIED]: ["Unknown", ""],
  [State.RUNNING]: ["Running", "good"],
  [State.PAUSED]: ["Paused", "warn"],
  [State.ERROR]: ["Error", "bad"],
  [State.PENDING]: ["Pending", ""],
};
