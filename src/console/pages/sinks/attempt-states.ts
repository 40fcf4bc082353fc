/** What came of attempts, in words. */
import { Attempt_State as State } from "#gen/tributary/management/v1/attempt_pb.js";

/** A word and a colour for each state. */
export const ATTEMPT_STATES: Readonly<{ [S in State]: readonly [string, string] }> = {
  [State.STATE_UNSPECIFIED]: ["Unknown", ""],
  [State.DELIVERED]: ["Delivered", "good"],
  [State.STAGED]: ["Staged", ""],
  [State.HELD]: ["Some held", "warn"],
  [State.RETRYING]: ["Failed, is repeated", "bad"],
  [State.SPLIT]: ["Refused, is halved", "warn"],
  [State.STOPPED]: ["Told to stop", "bad"],
  [State.FENCED]: ["Another node delivers", ""],
};
