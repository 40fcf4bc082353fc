/** Makes a sink: its form comes from the protos, and its destination can be tried before. */
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { faultAt } from "../../api/fault.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { type SinkKind, sinks } from "./sink-kinds.ts";
import { LATEST, StartField, startJson } from "./start-field.tsx";
import { TestLadder } from "./test-ladder.tsx";

const ADVANCED = ["batching", "retry", "on_record_failure", "when_full"];

/** The form of one kind. */
export function NewSink({ stream, kind }: { readonly stream: string; readonly kind: SinkKind }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [title, setTitle] = useState("");
  const [start, setStart] = useState(LATEST);
  const [input, setInput] = useState<JsonObject>({ [kind.id]: {} });
  const [made, setMade] = useState<{ name: string; secret: string; note: string }>();
  const read = (): Sink => {
    const json = { ...input, displayName: title, start: startJson(start) };
    return fromJson(SinkSchema, typedJson(SinkSchema, json));
  };
  const submit = useSubmit(async () => {
    const { sink, note } = await sinks.createSink({ parent: stream, sink: read() });
    await queries.invalidateQueries();
    const secret = sink?.config.case === "webhook" ? sink.config.value.signingSecret : "";
    setInput({ [kind.id]: {} });
    if (secret) setMade({ name: sink?.name ?? "", secret, note });
    else navigate(`/${sink?.name}`, { state: { note } });
  });
  if (made) {
    return (
      <SecretBox
        what="Signing secret of the webhook"
        secret={made.secret}
        onDone={() => navigate(`/${made.name}`, { state: { note: made.note } })}
      />
    );
  }
  const field = kind.field;
  return (
    <section className="card stack" aria-labelledby="new-sink">
      <h2 id="new-sink">New sink: {kind.title}</h2>
      <p>{kind.text}</p>
      <Form submit={submit} label="Create sink">
        <TextField
          label="Name"
          value={title}
          onChange={setTitle}
          fault={faultAt(submit.faults, "sink_id") ?? faultAt(submit.faults, "sink.display_name")}
        />
        {field.fieldKind === "message" && (
          <MessageForm
            desc={field.message}
            value={(input[kind.id] ?? {}) as JsonObject}
            onChange={(config) => setInput({ ...input, [kind.id]: config })}
            path={`sink.${field.name}`}
            faults={submit.faults}
          />
        )}
        <StartField value={start} onChange={setStart} faults={submit.faults} />
        <details>
          <summary>Batches, retries and what happens when a record fails</summary>
          <MessageForm
            desc={SinkSchema}
            only={ADVANCED}
            value={input}
            onChange={setInput}
            path="sink"
            faults={submit.faults}
          />
        </details>
        <TestLadder stream={stream} read={read} />
      </Form>
    </section>
  );
}
