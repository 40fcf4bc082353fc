import type { NatsConnection } from "@nats-io/transport-node";
import type { FullLogsNotice } from "./room.ts";

/** The logs of a shard that are full, as its owner tells writers of them. */
export interface FullLogs extends Iterable<string> {
  has(logUid: string): boolean;
  set(logUid: string, isFull: boolean): void;
  /** Tells writers which logs are full; says nothing where none is and none was. */
  tell(): void;
}

/** Begins without any: what an earlier owner said is taken back by the first word. */
export function createFullLogs(nc: NatsConnection, subject: string): FullLogs {
  const full = new Set<string>();
  // What is not said again writers forget, so a shard at rest sends nothing.
  let wasAnyFull = true;
  return {
    [Symbol.iterator]: () => full.values(),
    has: (logUid) => full.has(logUid),
    set(logUid, isFull) {
      if (isFull) full.add(logUid);
      else full.delete(logUid);
    },
    tell() {
      if (nc.isClosed() || (full.size === 0 && !wasAnyFull)) return;
      wasAnyFull = full.size > 0;
      const notice: FullLogsNotice = { logs: [...full] };
      nc.publish(subject, JSON.stringify(notice));
    },
  };
}
