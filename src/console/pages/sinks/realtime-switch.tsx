/** One switch for all sinks of a stream: whether what is pushed is delivered. */
import { useQueryClient } from "@tanstack/react-query";
import { type Sink, Sink_State as State } from "#gen/tributary/management/v1/sink_pb.js";
import { CheckField } from "../../parts/field.tsx";
import { useSubmit } from "../../parts/form.tsx";
import { FaultNote, Note } from "../../parts/note.tsx";
import { sinks } from "./sink-kinds.ts";

const PAGE_SIZE = 1_000;

/** On while a sink of `shown` is not paused. Off pauses every sink of the stream, on resumes them. */
export function RealtimeSwitch(props: {
  readonly stream: string;
  readonly shown: readonly Sink[];
}) {
  const { stream, shown } = props;
  const queries = useQueryClient();
  const isOn = shown.some(({ status }) => status?.state !== State.PAUSED);
  const submit = useSubmit(async () => {
    try {
      await eachSink(stream, ({ name, status }) => {
        const isPaused = status?.state === State.PAUSED;
        if (isOn && !isPaused) return sinks.pauseSink({ name });
        return !isOn && isPaused ? sinks.resumeSink({ name }) : undefined;
      });
    } finally {
      await queries.invalidateQueries();
    }
  });
  return (
    <div className="stack">
      <CheckField
        label="Real-time notifications: what is pushed is delivered to the sinks below"
        checked={submit.isBusy ? !isOn : isOn}
        onChange={() => void submit.run()}
      />
      <div role="status">
        {!isOn && (
          <Note kind="warn">
            Nothing is delivered. What is pushed waits for the sinks, as long as the retention of
            the stream keeps it.
          </Note>
        )}
      </div>
      <FaultNote error={submit.error} />
    </div>
  );
}

async function eachSink(
  parent: string,
  change: (sink: Sink) => Promise<unknown> | undefined,
): Promise<void> {
  let pageToken = "";
  do {
    const page = await sinks.listSinks({ parent, pageSize: PAGE_SIZE, pageToken });
    for (const sink of page.sinks) await change(sink);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
