/** Replays and migrations as tests call them. */
import { call } from "./api.ts";
import { type Target, waitFor } from "./server.ts";

/** A replay, as far as tests read it. */
export interface ReplayView {
  name?: string;
  task?: string;
  state?: string;
  selected?: string;
  selectedExact?: boolean;
  delivered?: string;
  filtered?: string;
  refused?: string;
  refusals?: { recordId?: string; place: string; reason: string; error: string }[];
  waiting?: string;
  error?: string;
  author?: string;
}

/** Makes a replay. */
export async function createReplay(
  target: Target,
  parent: string,
  request: Record<string, unknown>,
): Promise<ReplayView> {
  const method = "management.v1.ReplayService/CreateReplay";
  const body = { parent, selection: { sequences: {} }, ...request };
  return (await call<{ replay: ReplayView }>(target, method, body)).replay;
}

/** Reads a replay. */
export async function getReplay(target: Target, name: string | undefined): Promise<ReplayView> {
  const method = "management.v1.ReplayService/GetReplay";
  return (await call<{ replay: ReplayView }>(target, method, { name })).replay;
}

/** Waits until a replay is no longer under way. */
export async function whenReplayed(
  target: Target,
  { name }: ReplayView,
  timeoutMs = 40_000,
): Promise<ReplayView> {
  let seen: ReplayView = {};
  return await waitFor(
    async () => {
      // The server may be starting again.
      seen = await getReplay(target, name).catch(() => seen);
      return seen.state && !["PENDING", "RUNNING"].includes(seen.state) ? seen : undefined;
    },
    { timeoutMs, everyMs: 100, what: () => `${name} to end: ${JSON.stringify(seen)}` },
  );
}
