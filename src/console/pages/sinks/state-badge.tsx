/** The state of a sink at a glance. */
import { Sink_State as State } from "#gen/tributary/management/v1/sink_pb.js";
import { STATES } from "./sink-kinds.ts";

/** A word with a colour; the word alone says it all. */
export function StateBadge({
  state = State.STATE_UNSPECIFIED,
}: {
  readonly state?: State | undefined;
}) {
  const [text, kind] = STATES[state];
  return <span className={`badge ${kind}`}>{text}</span>;
}
