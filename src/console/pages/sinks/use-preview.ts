/** What unsaved rules make of the newest records, asked again a moment after each change. */
import { useEffect, useRef, useState } from "react";
import type { Filter } from "#gen/tributary/management/v1/filter_pb.js";
import type { Mapping } from "#gen/tributary/management/v1/mapping_pb.js";
import type { PreviewSinkResponse } from "#gen/tributary/management/v1/sink_service_pb.js";
import { type FieldFault, faultOf } from "../../api/fault.ts";
import { sinks } from "./sink-kinds.ts";

const AFTER_MS = 400;
const COUNT = 20;

/** Filter and mapping; left out where there is none. */
export interface Rules {
  readonly mapping?: Mapping;
  readonly filter?: Filter;
}

/** The last answer stays while a new one is awaited, and while what was typed has faults. */
export interface Preview {
  readonly answer: PreviewSinkResponse | undefined;
  readonly error: unknown;
  readonly faults: readonly FieldFault[];
}

/** Asks as soon as nothing was typed for a moment. `of` holds what `read` is made of. */
export function usePreview(options: {
  readonly stream: string;
  readonly sink: string;
  readonly read: () => Rules;
  readonly of: readonly unknown[];
}): Preview {
  const { stream, sink, of } = options;
  const read = useRef(options.read);
  read.current = options.read;
  const [answer, setAnswer] = useState<PreviewSinkResponse>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const ended = new AbortController();
    const { signal } = ended;
    const ask = async () => {
      try {
        const request = { parent: stream, sink, count: COUNT, ...read.current() };
        const next = await sinks.previewSink(request, { signal });
        if (signal.aborted) return;
        setAnswer(next);
        setError(undefined);
      } catch (thrown) {
        if (!signal.aborted) setError(thrown);
      }
    };
    const timer = setTimeout(() => void ask(), AFTER_MS);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [stream, sink, ...of]);
  return { answer, error, faults: error ? faultOf(error).fields : [] };
}
