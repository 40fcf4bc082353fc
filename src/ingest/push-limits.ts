/**
 * What a project may push now: nothing while it is suspended, used up or full, and so many records and
 * bytes a second on each node. All of it is in memory, so a push never waits for it.
 */
import type { Definitions, ProjectDefinition } from "../core/definitions.ts";
import { fail, projectSuspended, quotaExceeded } from "../core/errors.ts";

/** The limits of pushes. */
export interface PushLimits {
  /**
   * Whether any push may come in now, asked before records are read. Fails with PROJECT_SUSPENDED,
   * BALANCE_USED or QUOTA_EXCEEDED, the latter two with a retry hint. About 50 ns.
   */
  check(projectUid: string): void;
  /**
   * As `check`, and takes records and bytes from what the project may push. A call passes whole while
   * anything is left, and those after it wait for what it took too much.
   */
  take(projectUid: string, records: number, bytes: number): void;
}

/** What the limits work with. */
export interface PushLimitsOptions {
  readonly definitions: Pick<Definitions, "project">;
  /** Bytes that the project's logs hold, as far as is known. */
  readonly storedBytes: (projectUid: string) => number;
  /** Whether the project's balance is used up and its owner wants pushes to stop then. */
  readonly isUsedUp: (projectUid: string) => boolean;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** So many seconds' worth may come at once. */
const BURST_SECONDS = 2;
/** When a retry makes sense that waits for retention or a credit. */
const SLOW_RETRY_MS = 10_000;
/** No caller is asked to wait longer than this, however much its last call took. */
const RETRY_MAX_MS = 60_000;

/** What a project has left on this node; below 0 when its last call took more than that. */
interface Bucket {
  project: ProjectDefinition;
  records: number;
  bytes: number;
  atMs: number;
}

/** Makes the limits. Memory: one small object for each project with a rate. */
export function createPushLimits(options: PushLimitsOptions): PushLimits {
  const { definitions, storedBytes, isUsedUp, now = () => performance.now() } = options;
  const buckets = new Map<string, Bucket>();

  const bucketOf = (project: ProjectDefinition): Bucket => {
    const nowMs = now();
    const { records_per_second: records, bytes_per_second: bytes } = project.quotas;
    const bucket = buckets.get(project.uid);
    if (!bucket) {
      const full = { records: records * BURST_SECONDS, bytes: bytes * BURST_SECONDS };
      const made = { project, ...full, atMs: nowMs };
      buckets.set(project.uid, made);
      return made;
    }
    const seconds = (nowMs - bucket.atMs) / 1000;
    bucket.project = project;
    bucket.records = Math.min(records * BURST_SECONDS, bucket.records + seconds * records);
    bucket.bytes = Math.min(bytes * BURST_SECONDS, bucket.bytes + seconds * bytes);
    bucket.atMs = nowMs;
    return bucket;
  };
  const checked = (projectUid: string): ProjectDefinition | undefined => {
    const project = definitions.project(projectUid);
    if (!project) return undefined;
    if (project.isSuspended) throw projectSuspended(project.name);
    if (isUsedUp(projectUid)) throw balanceUsed(project.name);
    const limit = project.quotas.stored_bytes;
    if (limit > 0 && storedBytes(projectUid) >= limit) throw storageUsed(project, limit);
    return project;
  };
  const limited = (projectUid: string): Bucket | undefined => {
    const project = checked(projectUid);
    if (!project) return undefined;
    const { records_per_second: records, bytes_per_second: bytes } = project.quotas;
    if (records === 0 && bytes === 0) {
      if (buckets.size > 0) buckets.delete(projectUid);
      return undefined;
    }
    const bucket = bucketOf(project);
    if (records > 0 && bucket.records <= 0) throw tooFast(bucket, "records");
    if (bytes > 0 && bucket.bytes <= 0) throw tooFast(bucket, "bytes");
    return bucket;
  };
  return {
    check: (projectUid) => void limited(projectUid),
    take(projectUid, records, bytes) {
      const bucket = limited(projectUid);
      if (!bucket) return;
      bucket.records -= records;
      bucket.bytes -= bytes;
    },
  };
}

function tooFast({ project, ...bucket }: Bucket, what: "records" | "bytes") {
  const name = `${what}_per_second` as const;
  const limit = project.quotas[name];
  const waitMs = Math.ceil((1 - bucket[what]) * (1000 / limit));
  const text = `pushes more than ${limit} ${what} a second to this node`;
  const quota = { project: project.name, name, limit };
  return quotaExceeded(quota, text, Math.min(RETRY_MAX_MS, Math.max(1, waitMs)));
}

function storageUsed({ name: project }: ProjectDefinition, limit: number) {
  const text = `stores ${limit} bytes or more: shorten the retention of its streams and archives`;
  return quotaExceeded({ project, name: "stored_bytes", limit }, text, SLOW_RETRY_MS);
}

function balanceUsed(project: string) {
  const text = `${project} has used up its balance, and its owner wants pushes to stop then`;
  return fail("BALANCE_USED", text, { metadata: { project }, retryAfterMs: SLOW_RETRY_MS });
}
