/** The state of a branch at a glance. */
import { Branch_State as State } from "#gen/tributary/management/v1/stream_pb.js";

const STATES: Readonly<{ [S in State]: readonly [string, string] }> = {
  [State.STATE_UNSPECIFIED]: ["Unknown", ""],
  [State.READY]: ["Ready", "good"],
  [State.COPYING]: ["Records are copied", ""],
  [State.FAILED]: ["The copy failed", "bad"],
};

/** A word with its colour. */
export function BranchBadge({
  state = State.STATE_UNSPECIFIED,
}: {
  readonly state?: State | undefined;
}) {
  const [words, kind] = STATES[state];
  return <span className={`badge ${kind}`}>{words}</span>;
}
