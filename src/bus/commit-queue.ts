import type { LogAppended, LogCall } from "../core/log.ts";

/** A call that waits for its answer. */
export interface PendingCall {
  readonly call: LogCall;
  readonly bytes: number;
  /** In `performance.now()` terms: then its caller is told LOG_UNAVAILABLE. */
  readonly deadlineMs: number;
  resolve(answer: LogAppended): void;
  reject(error: Error): void;
  /** Whether the caller has its answer. */
  isSettled: boolean;
}

/** What one publish may hold. */
export interface TakeLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Part of `maxBytes` (0 to 1) that one project gets while others wait. */
  readonly maxShare: number;
}

/** Calls that wait for the next publish of a shard. */
export interface CommitQueue {
  push(pending: PendingCall): void;
  /** Takes the calls of the next publish; calls that are settled already fall out. */
  take(limits: TakeLimits): PendingCall[];
  /** Calls of a project that are not taken yet, in their order. */
  waitingOf(projectUid: string): readonly PendingCall[];
  isEmpty(): boolean;
  /** Whether what goes next has a call of several parts; of each project the first one tells. */
  isSpread(): boolean;
}

/**
 * A queue that is first come, first served within a project, and takes turns between projects, so a
 * project that pushes much delays the others by no more than its share of a publish.
 */
export function createCommitQueue(): CommitQueue {
  const projects = new Map<string, PendingCall[]>();
  const drop = (uid: string, calls: PendingCall[]) => {
    while (calls[0]?.isSettled) calls.shift();
    if (calls.length === 0) projects.delete(uid);
  };
  return {
    push(pending) {
      const calls = projects.get(pending.call.projectUid);
      if (calls) calls.push(pending);
      else projects.set(pending.call.projectUid, [pending]);
    },
    take(limits) {
      if (projects.size === 1) return takeAlone(projects, limits);
      for (const [uid, calls] of [...projects]) drop(uid, calls);
      const turn = createTurn(projects, limits);
      turn.fill(limits.maxBytes * limits.maxShare);
      if (projects.size <= 1) turn.fill(limits.maxBytes);
      turn.end();
      return turn.taken;
    },
    waitingOf: (projectUid) => projects.get(projectUid) ?? [],
    isEmpty: () => projects.size === 0,
    isSpread() {
      for (const [first] of projects.values()) if (first!.call.parts.length > 1) return true;
      return false;
    },
  };
}

/** The same for a project that has nobody beside it, without the accounts of a turn. */
function takeAlone(projects: Map<string, PendingCall[]>, limits: TakeLimits): PendingCall[] {
  const [uid, calls] = projects.entries().next().value!;
  const taken: PendingCall[] = [];
  let messages = 0;
  let bytes = 0;
  let next = 0;
  for (; next < calls.length; next++) {
    const pending = calls[next]!;
    if (pending.isSettled) continue;
    messages += pending.call.parts.length;
    bytes += pending.bytes;
    const isFirst = taken.length === 0;
    if (messages > limits.maxMessages || (bytes > limits.maxBytes && !isFirst)) break;
    taken.push(pending);
  }
  if (next === calls.length) projects.delete(uid);
  else calls.splice(0, next);
  return taken;
}

/** One turn over the projects. Positions move instead of arrays, which are cut once at the end. */
function createTurn(projects: Map<string, PendingCall[]>, limits: TakeLimits) {
  const taken: PendingCall[] = [];
  const positions = new Map<string, { next: number; bytes: number }>();
  let messages = 0;
  let bytes = 0;
  const fits = (pending: PendingCall) =>
    messages + pending.call.parts.length <= limits.maxMessages &&
    (bytes === 0 || bytes + pending.bytes <= limits.maxBytes);
  const takeOne = (uid: string, calls: PendingCall[], share: number): boolean => {
    const position = positions.get(uid) ?? { next: 0, bytes: 0 };
    positions.set(uid, position);
    while (calls[position.next]?.isSettled) position.next++;
    const pending = calls[position.next];
    if (!pending || !fits(pending)) return false;
    if (position.bytes > 0 && position.bytes + pending.bytes > share) return false;
    position.next++;
    position.bytes += pending.bytes;
    messages += pending.call.parts.length;
    bytes += pending.bytes;
    taken.push(pending);
    return true;
  };
  const cut = () => {
    for (const [uid, position] of positions) {
      const calls = projects.get(uid);
      if (!calls) continue;
      calls.splice(0, position.next);
      position.next = 0;
      if (calls.length === 0) projects.delete(uid);
    }
  };
  return {
    taken,
    fill(share: number) {
      const active = new Set(projects.keys());
      while (active.size > 0) {
        for (const uid of active) if (!takeOne(uid, projects.get(uid)!, share)) active.delete(uid);
      }
      cut();
    },
    /** The project that was first goes last next time. */
    end() {
      const first = projects.entries().next().value;
      if (!first) return;
      projects.delete(first[0]);
      projects.set(first[0], first[1]);
    },
  };
}
