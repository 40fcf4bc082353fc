/** Makes a sink: its form comes from the protos, and its destination can be tried before. */
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { faultAt } from "../../api/fault.ts";
import { type LogPlace, MAIN } from "../../api/log-place.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { Note } from "../../parts/note.tsx";
import { type SinkKind, sinks } from "./sink-kinds.ts";
import { LATEST, StartField, startJson } from "./start-field.tsx";
import { TestLadder } from "./test-ladder.tsx";

const ADVANCED = ["batching", "retry", "on_record_failure", "when_full", "lag_warning"];

/** The form of one kind. */
export function NewSink({ place, kind }: { readonly place: LogPlace; readonly kind: SinkKind }) {
  const { stream, branch } = place;
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [title, setTitle] = useState("");
  const [start, setStart] = useState(LATEST);
  const [input, setInput] = useState<JsonObject>({ [kind.id]: {} });
  const [withToken, setWithToken] = useState(false);
  const [made, setMade] = useState<Made>();
  const read = (): Sink => {
    const json = { ...input, branch, displayName: title, start: startJson(start) };
    return fromJson(SinkSchema, typedJson(SinkSchema, json));
  };
  const submit = useSubmit(async () => {
    const answer = await sinks.createSink({ parent: stream, sink: read(), withToken });
    const { sink, note } = answer;
    await queries.invalidateQueries();
    const secret = sink?.config.case === "webhook" ? sink.config.value.signingSecret : "";
    setInput({ [kind.id]: {} });
    const token = answer.token?.secret ?? "";
    const name = sink?.name ?? "";
    if (secret || token) setMade({ name, secret, token, note });
    else navigate(`/${name}`, { state: { note } });
  });
  if (made) {
    const { name, note } = made;
    return (
      <MadeSecrets
        made={made}
        onChange={setMade}
        onDone={() => navigate(`/${name}`, { state: { note } })}
      />
    );
  }
  const field = kind.field;
  return (
    <section className="card stack" aria-labelledby="new-sink">
      <h2 id="new-sink">New sink: {kind.title}</h2>
      <p>{kind.text}</p>
      {branch !== MAIN && <Note>It delivers the records of the branch {branch}.</Note>}
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
        <CheckField
          label="Make a token with it, for the program that receives its records: it may read this sink, its status and its held records, and nothing else"
          checked={withToken}
          onChange={setWithToken}
        />
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

/** What was made with the sink and is shown this once. */
interface Made {
  readonly name: string;
  readonly secret: string;
  readonly token: string;
  readonly note: string;
}

/** One secret after the other. */
function MadeSecrets(props: {
  readonly made: Made;
  readonly onChange: (made: Made) => void;
  readonly onDone: () => void;
}) {
  const { made, onChange, onDone } = props;
  const next = made.secret && made.token ? () => onChange({ ...made, secret: "" }) : onDone;
  return (
    <SecretBox
      key={made.secret}
      what={made.secret ? "Signing secret of the webhook" : "Token of the sink"}
      secret={made.secret || made.token}
      onDone={next}
    />
  );
}
