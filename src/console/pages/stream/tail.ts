/** The newest records of a stream, as they arrive. */
import { createClient } from "@connectrpc/connect";
import { useEffect, useRef, useState } from "react";
import type { Branch } from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import { RecordService } from "#gen/tributary/records/v1/record_service_pb.js";
import { type Fault, faultOf } from "../../api/fault.ts";
import type { LogPlace } from "../../api/log-place.ts";
import { isUnreachable, transport } from "../../api/transport.ts";
import { type Reading, startOfList } from "./read-form.tsx";

const KEPT_MAX = 5_000;
const RETRY_MS = 1_000;

/** Messages of the log before its end that are shown at once. */
const LOOK_BACK = 50n;

const records = createClient(RecordService, transport);
const streams = createClient(StreamService, transport);

/** What the tail shows. */
export interface Tail {
  /** Newest first, at most 5,000. */
  readonly records: readonly Record[];
  /** How many came since the page was opened. */
  readonly count: number;
  /** How many the rate cap left out. */
  readonly skipped: number;
  readonly fault: Fault | undefined;
  readonly isLive: boolean;
}

const EMPTY: Tail = { records: [], count: 0, skipped: 0, fault: undefined, isLive: false };

/** Everything from a little before the end on. */
export const WHOLE_TAIL: Reading = { start: { case: "end" }, key: "", filter: "", rateMax: 200 };

/** Follows the stream while it is not paused. A broken connection goes on where it stopped. */
export function useTail({ stream, branch }: LogPlace, reading: Reading, isPaused: boolean): Tail {
  const [tail, setTail] = useState<Tail>(EMPTY);
  const next = useRef<{ of: string; sequence: bigint | undefined }>({
    of: "",
    sequence: undefined,
  });
  useEffect(() => {
    if (isPaused) return;
    const of = JSON.stringify([stream, branch, reading], (_name, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    if (next.current.of !== of) {
      next.current = { of, sequence: undefined };
      setTail(EMPTY);
    }
    const ended = new AbortController();
    const place = { stream, branch };
    void follow({ place, reading, next: next.current, signal: ended.signal, onTail: setTail });
    return () => ended.abort();
  }, [stream, branch, reading, isPaused]);
  return tail;
}

interface Follow {
  readonly place: LogPlace;
  readonly reading: Reading;
  readonly next: { sequence: bigint | undefined };
  readonly signal: AbortSignal;
  readonly onTail: (change: (tail: Tail) => Tail) => void;
}

async function follow(options: Follow): Promise<void> {
  const { signal, onTail } = options;
  while (!signal.aborted) {
    try {
      await followOnce(options);
    } catch (error) {
      if (signal.aborted) return;
      onTail((tail) => ({ ...tail, isLive: false, fault: faultOf(error) }));
      if (!isUnreachable(error)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function followOnce({ place, reading, next, signal, onTail }: Follow): Promise<void> {
  // Asked each time: a tail of a quiet stream says nothing for a while, this call says who is there.
  const name = `${place.stream}/branches/${place.branch}`;
  const { branch: log } = await streams.getBranch({ name }, { signal });
  next.sequence ??= await sequenceOf(place, reading, { log, signal });
  onTail((tail) => ({ ...tail, isLive: true, fault: undefined }));
  const { key, filter, rateMax } = reading;
  const request = { ...place, key, filter, rateMax, fromSequence: next.sequence };
  for await (const part of records.tailRecords(request, { signal })) {
    const last = part.records.at(-1);
    if (last) next.sequence = last.sequence + 1n;
    onTail((tail) => ({
      ...tail,
      records: [...part.records.toReversed(), ...tail.records].slice(0, KEPT_MAX),
      count: tail.count + part.records.length,
      skipped: tail.skipped + Number(part.skipped),
    }));
  }
}

/** Where the log is read from. Whoever asks for its end also sees what came last. */
async function sequenceOf(
  place: LogPlace,
  { start }: Reading,
  { log, signal }: { readonly log: Branch | undefined; readonly signal: AbortSignal },
): Promise<bigint> {
  if (start.case === "sequence") return start.value > 0n ? start.value : 1n;
  const { firstSequence = 0n, lastSequence = 0n } = log ?? {};
  if (start.case === "time") {
    const request = { ...place, start: startOfList(start), pageSize: 1 };
    const page = await records.listRecords(request, { signal });
    return page.records[0]?.sequence ?? lastSequence + 1n;
  }
  const back = start.case === "end" ? lastSequence - LOOK_BACK + 1n : 0n;
  const from = back > firstSequence ? back : firstSequence;
  return from > 0n ? from : 1n;
}
