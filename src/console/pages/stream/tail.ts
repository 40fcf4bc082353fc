/** The newest records of a stream, as they arrive. */
import { createClient } from "@connectrpc/connect";
import { useEffect, useRef, useState } from "react";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import { RecordService } from "#gen/tributary/records/v1/record_service_pb.js";
import { type Fault, faultOf } from "../../api/fault.ts";
import { isUnreachable, transport } from "../../api/transport.ts";

const KEPT_MAX = 500;
const RATE_MAX = 200;
const RETRY_MS = 1_000;

/** Messages of the log before its end that are shown at once. */
const LOOK_BACK = 50n;

const records = createClient(RecordService, transport);
const streams = createClient(StreamService, transport);

/** What the tail shows. */
export interface Tail {
  /** Newest first, at most 500. */
  readonly records: readonly Record[];
  /** How many came since the page was opened. */
  readonly count: number;
  /** How many the rate cap left out. */
  readonly skipped: number;
  readonly fault: Fault | undefined;
  readonly isLive: boolean;
}

const EMPTY: Tail = { records: [], count: 0, skipped: 0, fault: undefined, isLive: false };

/** Follows the stream while it is not paused. A broken connection goes on where it stopped. */
export function useTail(stream: string, options: { filter: string; isPaused: boolean }): Tail {
  const { filter, isPaused } = options;
  const [tail, setTail] = useState<Tail>(EMPTY);
  const next = useRef<{ of: string; sequence: bigint | undefined }>({
    of: "",
    sequence: undefined,
  });
  useEffect(() => {
    if (isPaused) return;
    const of = JSON.stringify([stream, filter]);
    if (next.current.of !== of) {
      next.current = { of, sequence: undefined };
      setTail(EMPTY);
    }
    const ended = new AbortController();
    void follow({ stream, filter, next: next.current, signal: ended.signal, onTail: setTail });
    return () => ended.abort();
  }, [stream, filter, isPaused]);
  return tail;
}

interface Follow {
  readonly stream: string;
  readonly filter: string;
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

async function followOnce({ stream, filter, next, signal, onTail }: Follow): Promise<void> {
  next.sequence ??= await startOf(stream, signal);
  onTail((tail) => ({ ...tail, isLive: true, fault: undefined }));
  const request = { stream, filter, fromSequence: next.sequence, rateMax: RATE_MAX };
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

/** A little before the end of the log: whoever opens the page sees what came last. */
async function startOf(stream: string, signal: AbortSignal): Promise<bigint> {
  const { branch } = await streams.getBranch({ name: `${stream}/branches/main` }, { signal });
  const { firstSequence = 0n, lastSequence = 0n } = branch ?? {};
  const back = lastSequence - LOOK_BACK + 1n;
  const from = back > firstSequence ? back : firstSequence;
  return from > 0n ? from : 1n;
}
