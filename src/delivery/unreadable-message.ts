/** A message of the log that cannot be read stops its sinks: nothing of it may be passed over (D1). */
import { reasonOf } from "../core/errors.ts";
import type { RunOwner } from "./run-owner.ts";

/** Says so in the state of a sink. */
export function noteUnreadable(owner: NoteOwner, error: unknown): void {
  const reason = reasonOf(error) ?? "LOG_CORRUPT";
  const why = error instanceof Error ? error.message : String(error);
  owner.note.fail({ reason, why, isError: true, nextAttemptMs: 0 });
  owner.changed(false);
}

type NoteOwner = Pick<RunOwner, "note" | "changed">;
