/** Replay and discard of held records, for the lists that offer them. */
import { useQueryClient } from "@tanstack/react-query";
import type { HeldSelection } from "./held-preview.tsx";
import { sinks } from "./sink-kinds.ts";

/** What can be done with held records; what the pages show is read again afterwards. */
export interface HeldCommands {
  replay(selection: HeldSelection): Promise<void>;
  /** The note is kept by the audit log. */
  discard(selection: HeldSelection, note: string): Promise<void>;
}

/** The commands of one sink. */
export function useHeldCommands(name: string): HeldCommands {
  const queries = useQueryClient();
  return {
    async replay(selection) {
      await sinks.replayHeldRecords({ name, ...selection });
      await queries.invalidateQueries();
    },
    async discard(selection, note) {
      await sinks.discardHeldRecords({ name, ...selection, note });
      await queries.invalidateQueries();
    },
  };
}
