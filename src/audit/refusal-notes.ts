/**
 * How many refusals are written one by one. An attacker can make any number of them: of each origin
 * (who, or from where) only so many a minute are events, and of all origins together; the rest is
 * counted, by origin, so that one who floods hides neither himself nor another.
 */
import { originOf } from "../core/client-origin.ts";
import type { AuditEntry } from "./audit-entry.ts";

/** Refusals of the running minute. */
export interface RefusalNotes {
  /** Whether this one is to be written by itself; else it is counted. */
  take(entry: AuditEntry): boolean;
  /** Once the minute is over, or always when `isForced`: what was only counted, with the counts. */
  turn(isForced?: boolean): readonly { readonly entry: AuditEntry; readonly count: number }[];
}

const WINDOW_MS = 60_000;
const PER_ORIGIN = 30;
const IN_ALL = 300;
/** Origins that are told apart in one minute; those beyond share one count. */
const ORIGINS_MAX = 200;

interface Origin {
  readonly entry: AuditEntry;
  noted: number;
  beyond: number;
}

/** Makes the counts, of this node alone. `now` in milliseconds. */
export function createRefusalNotes(now: () => number): RefusalNotes {
  let origins = new Map<string, Origin>();
  let startMs = 0;
  let inAll = 0;
  const originFor = (entry: AuditEntry): Origin => {
    const { principal, address = "" } = entry;
    const key = principal ? `${principal.id} ` : originOf(address);
    const known = origins.get(key);
    if (known) return known;
    const isRoom = origins.size < ORIGINS_MAX;
    const made = {
      entry: severalOf(isRoom ? { principal, address } : {}),
      noted: 0,
      beyond: 0,
    };
    if (isRoom) origins.set(key, made);
    else if (!origins.has("others")) origins.set("others", made);
    return isRoom ? made : origins.get("others")!;
  };
  return {
    take(entry) {
      const origin = originFor(entry);
      if (origin.noted >= PER_ORIGIN || inAll >= IN_ALL) {
        origin.beyond += 1;
        return false;
      }
      origin.noted += 1;
      inAll += 1;
      return true;
    },
    turn(isForced = false) {
      if (!isForced && now() - startMs < WINDOW_MS) return [];
      const counted = [...origins.values()].filter(({ beyond }) => beyond > 0);
      origins = new Map();
      startMs = now();
      inAll = 0;
      return counted.map(({ entry, beyond }) => ({ entry, count: beyond }));
    },
  };
}

function severalOf(origin: Partial<AuditEntry>): AuditEntry {
  return {
    method: "",
    resource: "",
    code: "resource_exhausted",
    reason: "SEVERAL_REFUSALS",
    ...origin,
  };
}
