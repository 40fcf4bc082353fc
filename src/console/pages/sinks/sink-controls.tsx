/** What is done with a sink as a whole: pause, resume, restart, delete. */
import { create } from "@bufbuild/protobuf";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import {
  type Sink,
  SinkStatusSchema,
  Sink_State as State,
} from "#gen/tributary/management/v1/sink_pb.js";
import {
  GetSinkResponseSchema,
  SinkService,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { transport } from "../../api/transport.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { sinks } from "./sink-kinds.ts";

/** The buttons. */
export function SinkControls({ sink, stream }: { readonly sink: Sink; readonly stream: string }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const { name } = sink;
  const toState = useStateChange(sink);
  const isPaused = sink.status?.state === State.PAUSED;
  return (
    <div className="actions">
      {isPaused ? (
        <ActionButton
          label="Resume"
          call={() => toState(State.RUNNING, () => sinks.resumeSink({ name }))}
        />
      ) : (
        <ActionButton
          label="Pause"
          call={() => toState(State.PAUSED, () => sinks.pauseSink({ name }))}
        />
      )}
      <ActionButton
        label="Restart"
        call={() => toState(State.PENDING, () => sinks.restartSink({ name }))}
      />
      <ConfirmButton
        label="Delete"
        title="Delete this sink?"
        text="Delivery ends. What was not delivered stays in the stream, and the destination keeps what it has. The sink can be brought back within 7 days, from the project's page Deleted."
        confirm="Delete the sink"
        call={async () => {
          await sinks.deleteSink({ name });
          await queries.invalidateQueries();
          navigate(`/${stream}/sinks`);
        }}
      />
    </div>
  );
}

/** Shows the state that a call leads to at once; a call that fails brings back what was shown. */
function useStateChange(sink: Sink) {
  const queries = useQueryClient();
  const queryKey = createConnectQueryKey({
    schema: SinkService.method.getSink,
    input: { name: sink.name },
    cardinality: "finite",
    transport,
  });
  return async (state: State, call: () => Promise<unknown>) => {
    await queries.cancelQueries({ queryKey });
    const before = queries.getQueryData(queryKey);
    const status = sink.status ? { ...sink.status, state } : create(SinkStatusSchema, { state });
    queries.setQueryData(queryKey, create(GetSinkResponseSchema, { sink: { ...sink, status } }));
    try {
      await call();
    } catch (error) {
      queries.setQueryData(queryKey, before);
      throw error;
    }
    await queries.invalidateQueries();
  };
}
