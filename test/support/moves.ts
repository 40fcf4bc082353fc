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

/** A migration, as far as tests read it. */
export interface MigrationView {
  name?: string;
  task?: string;
  target?: string;
  sequence?: string;
  state?: string;
  waiting?: string;
  error?: string;
  report?: {
    complete?: boolean;
    missing?: string;
    sourceRecords?: string;
    targetRecords?: string;
    partitions?: { sourceHash?: string; sourceRecords?: string }[];
  };
}

/** Makes a migration. */
export async function createMigration(
  target: Target,
  parent: string,
  request: Record<string, unknown>,
): Promise<MigrationView> {
  const method = "management.v1.MigrationService/CreateMigration";
  return (await call<{ migration: MigrationView }>(target, method, { parent, ...request }))
    .migration;
}

/** Reads a migration. */
export async function getMigration(
  target: Target,
  name: string | undefined,
): Promise<MigrationView> {
  const method = "management.v1.MigrationService/GetMigration";
  return (await call<{ migration: MigrationView }>(target, method, { name })).migration;
}

/** Waits until a migration is no longer under way. */
export async function whenMigrated(
  target: Target,
  { name }: MigrationView,
  timeoutMs = 40_000,
): Promise<MigrationView> {
  let seen: MigrationView = {};
  return await waitFor(
    async () => {
      seen = await getMigration(target, name).catch(() => seen);
      return seen.state && !["PENDING", "RUNNING"].includes(seen.state) ? seen : undefined;
    },
    { timeoutMs, everyMs: 100, what: () => `${name} to end: ${JSON.stringify(seen)}` },
  );
}
