/** Counts calls that stay open, by project, on this node. */
import type { Definitions } from "./definitions.ts";
import { quotaExceeded } from "./errors.ts";

/** The count. */
export interface OpenCalls {
  /**
   * Passes the messages of a call on, and counts the call for its project from the first one asked for
   * to the end. Fails with QUOTA_EXCEEDED when the project has as many as its quota of connections.
   * A call of no project is not counted.
   */
  during<T>(projectUid: string | undefined, messages: AsyncIterable<T>): AsyncIterable<T>;
}

const RETRY_MS = 1_000;

/** No calls are open. */
export function createOpenCalls(definitions: Pick<Definitions, "project">): OpenCalls {
  const counts = new Map<string, number>();
  const enter = (projectUid: string) => {
    const count = counts.get(projectUid) ?? 0;
    const project = definitions.project(projectUid);
    const limit = project?.quotas.connections ?? 0;
    if (project && limit > 0 && count >= limit) {
      const text = `has ${count} calls open on this node and may have ${limit}`;
      throw quotaExceeded({ project: project.name, name: "connections", limit }, text, RETRY_MS);
    }
    counts.set(projectUid, count + 1);
  };
  const leave = (projectUid: string) => {
    const left = (counts.get(projectUid) ?? 1) - 1;
    if (left > 0) counts.set(projectUid, left);
    else counts.delete(projectUid);
  };
  return {
    async *during(projectUid, messages) {
      if (projectUid === undefined) return yield* messages;
      enter(projectUid);
      try {
        yield* messages;
      } finally {
        leave(projectUid);
      }
    },
  };
}
