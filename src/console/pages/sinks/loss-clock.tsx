/** When retention would begin to take what a sink still needs, and what shall happen then. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import {
  LossClock_Limit as Limit,
  type LossClock as Loss,
  type Sink,
  Sink_WhenFull as WhenFull,
} from "#gen/tributary/management/v1/sink_pb.js";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { faultAt } from "../../api/fault.ts";
import { SelectField } from "../../parts/field.tsx";
import { whole } from "../../parts/figures.ts";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { sinks } from "./sink-kinds.ts";

const CHOICES = [
  [WhenFull.EXPIRE, "The oldest records expire, and are counted as expired"],
  [WhenFull.BLOCK_PUSHES, "Pushes are refused until there is room: nothing is lost"],
  [WhenFull.SPILL, "Spill: the sink reads on in the archive of the stream, nothing is lost"],
] as const;

const RUNS_OUT = {
  [Limit.LIMIT_UNSPECIFIED]: "retention of the stream runs",
  [Limit.AGE]: "age of the stream runs",
  [Limit.BYTES]: "bytes of the stream run",
  [Limit.ARCHIVE_AGE]: "age of the stream's archive runs",
} as const satisfies Record<Limit, string>;

/** The clock and the choice. */
export function LossClock({ sink, stream }: { readonly sink: Sink; readonly stream: Stream }) {
  return (
    <section className="card stack" aria-labelledby="loss-title">
      <h2 id="loss-title">Loss clock</h2>
      <LossNote loss={sink.status?.loss} stream={stream.name} />
      <WhenFullForm sink={sink} stream={stream} />
    </section>
  );
}

function LossNote(props: { readonly loss: Loss | undefined; readonly stream: string }) {
  const { loss, stream } = props;
  if (!loss) {
    return (
      <p>
        Nothing is in danger. The clock runs while the sink stands still and its records may expire.
      </p>
    );
  }
  return (
    <Note kind="warn">
      {whole(loss.pending)} {loss.pending === 1n ? "record waits" : "records wait"}. The{" "}
      {RUNS_OUT[loss.limit]} out <Time at={loss.time} />. Resume the sink before that, choose below
      what happens then, or{" "}
      <Link href={`/${stream}/settings`}>raise the retention of the stream</Link>.
    </Note>
  );
}

function WhenFullForm({ sink, stream }: { readonly sink: Sink; readonly stream: Stream }) {
  const queries = useQueryClient();
  const [whenFull, setWhenFull] = useState(sink.whenFull || WhenFull.EXPIRE);
  const [isSaved, setSaved] = useState(false);
  const submit = useSubmit(async () => {
    setSaved(false);
    await sinks.updateSink({
      sink: { name: sink.name, whenFull },
      updateMask: { paths: ["when_full"] },
    });
    setSaved(true);
    await queries.invalidateQueries();
  });
  const needsArchive = whenFull === WhenFull.SPILL && !stream.archive;
  return (
    <Form submit={submit} label="Save the choice" disabled={needsArchive}>
      <SelectField
        label="When retention reaches what the sink still needs"
        value={whenFull}
        choices={CHOICES}
        onChange={setWhenFull}
        fault={faultAt(submit.faults, "sink.when_full")}
      />
      {needsArchive && (
        <Note kind="warn">
          The stream has no archive to read from:{" "}
          <Link href={`/${stream.name}/settings`}>set one in its settings</Link> first.
        </Note>
      )}
      <p role="status">{isSaved && "Saved."}</p>
    </Form>
  );
}
