/** A stream that is being made: it survives a reload, and the server says what is wrong with it. */
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useEffect, useState } from "react";
import {
  Field_Type,
  type Stream,
  Stream_SchemaMode,
  Stream_Throughput,
  StreamSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { type Fault, type FieldFault, faultOf } from "../../api/fault.ts";
import { transport } from "../../api/transport.ts";

/** Calls of streams. */
export const streams = createClient(StreamService, transport);

const CHECK_AFTER_MS = 250;

/** The draft of a project, kept in the tab until it is made. */
export function useStreamDraft(project: string) {
  const key = `new-stream:${project}`;
  const [draft, setDraft] = useState<Stream>(() => readDraft(key));
  useEffect(() => sessionStorage.setItem(key, toJsonString(StreamSchema, draft)), [key, draft]);
  return {
    draft,
    change: (part: Partial<Stream>) => setDraft((old) => create(StreamSchema, { ...old, ...part })),
    forget: () => sessionStorage.removeItem(key),
  };
}

function readDraft(key: string): Stream {
  try {
    return fromJsonString(StreamSchema, sessionStorage.getItem(key) ?? "");
  } catch {
    return create(StreamSchema, {
      throughput: Stream_Throughput.NORMAL,
      schemaMode: Stream_SchemaMode.STRICT,
      schema: { fields: [{ type: Field_Type.STRING }] },
    });
  }
}

/** What the server says of a draft. */
export interface StreamCheck {
  /** What it would refuse; null for nothing, undefined while it is asked. */
  readonly fault: Fault | null | undefined;
  /** What was wrong with fields when it last answered: it stays in place until the next answer. */
  readonly known: readonly FieldFault[];
}

/** Asks the server. The rules stand in one place only. */
export function useStreamCheck(parent: string, stream: Stream): StreamCheck {
  const [fault, setFault] = useState<Fault | null>();
  const [known, setKnown] = useState<readonly FieldFault[]>([]);
  useEffect(() => {
    const ended = new AbortController();
    setFault(undefined);
    const timer = setTimeout(async () => {
      const { signal } = ended;
      const found = await streams
        .createStream({ parent, stream, validateOnly: true }, { signal })
        .then(() => null, faultOf);
      if (signal.aborted) return;
      setFault(found);
      setKnown(found?.fields ?? []);
    }, CHECK_AFTER_MS);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [parent, stream]);
  return { fault, known };
}
