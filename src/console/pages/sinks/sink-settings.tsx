/** Changes where a sink delivers to and how, and the secret of its signatures. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { faultAt } from "../../api/fault.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { Note } from "../../parts/note.tsx";
import type { SinkPart } from "./sink-details.tsx";
import { sinks } from "./sink-kinds.ts";
import { SinkTokens } from "./sink-tokens.tsx";
import { TestLadder } from "./test-ladder.tsx";

const HOW = ["batching", "retry", "pace", "on_record_failure", "when_full", "lag_warning"];

/** The part "Settings". */
export default function SinkSettings({ sink, stream }: SinkPart) {
  const [isSaved, setSaved] = useState(false);
  return (
    <>
      <SettingsForm
        // It begins anew when the sink was changed, by whomever.
        key={sink.etag}
        sink={sink}
        stream={stream.name}
        onSaved={setSaved}
      />
      <p role="status">{isSaved && "Saved."}</p>
      {sink.config.case === "webhook" && <SigningSecret sink={sink} />}
      <SinkTokens sink={sink.name} />
    </>
  );
}

function SettingsForm(props: {
  readonly sink: Sink;
  readonly stream: string;
  readonly onSaved: (isSaved: boolean) => void;
}) {
  const { sink, stream, onSaved } = props;
  const queries = useQueryClient();
  const [input, setInput] = useState(() => toJson(SinkSchema, sink) as JsonObject);
  const field = SinkSchema.fields.find(({ localName }) => localName === sink.config.case);
  const read = (): Sink => fromJson(SinkSchema, typedJson(SinkSchema, input));
  const submit = useSubmit(async () => {
    const paths = ["display_name", "description", field?.name ?? "", ...HOW];
    await sinks.updateSink({ sink: read(), updateMask: { paths } });
    onSaved(true);
    await queries.invalidateQueries();
  });
  const change = (next: JsonObject) => {
    setInput(next);
    onSaved(false);
  };
  if (field?.fieldKind !== "message") return null;
  const text = (name: string) => (typeof input[name] === "string" ? String(input[name]) : "");
  return (
    <section className="card stack" aria-labelledby="settings-title">
      <h2 id="settings-title">Settings</h2>
      <Note>
        A change applies to what is pushed after it is saved. A secret that is left empty stays as
        it is, as long as it goes to the same place.
      </Note>
      <Form submit={submit} label="Save">
        <TextField
          label="Name"
          value={text("displayName")}
          onChange={(displayName) => change({ ...input, displayName })}
          fault={faultAt(submit.faults, "sink.display_name")}
        />
        <MessageForm
          desc={field.message}
          value={(input[field.jsonName] ?? {}) as JsonObject}
          onChange={(config) => change({ ...input, [field.jsonName]: config })}
          path={`sink.${field.name}`}
          faults={submit.faults}
        />
        <MessageForm
          desc={SinkSchema}
          only={HOW}
          value={input}
          onChange={change}
          path="sink"
          faults={submit.faults}
        />
        <TestLadder stream={stream} read={read} />
      </Form>
    </section>
  );
}

const OVERLAPS = [
  ["0s", "None: the old secret ends at once"],
  ["3600s", "1 hour"],
  ["86400s", "1 day"],
  ["604800s", "7 days"],
] as const;

/** Makes another secret; requests carry a signature by each until the old one ends. */
function SigningSecret({ sink: { name } }: { readonly sink: Sink }) {
  const [overlap, setOverlap] = useState<string>("86400s");
  const [secret, setSecret] = useState("");
  const submit = useSubmit(async () => {
    const seconds = BigInt(overlap.slice(0, -1));
    const answer = await sinks.rotateSigningSecret({ name, overlap: { seconds } });
    setSecret(answer.signingSecret);
  });
  return (
    <section className="card stack" aria-labelledby="secret-title">
      <h2 id="secret-title">Signing secret</h2>
      {secret ? (
        <SecretBox what="New signing secret" secret={secret} onDone={() => setSecret("")} />
      ) : (
        <Form submit={submit} label="Make a new secret">
          <SelectField
            label="How long the old secret signs as well"
            value={overlap}
            choices={OVERLAPS}
            onChange={setOverlap}
            fault={faultAt(submit.faults, "overlap")}
          />
        </Form>
      )}
    </section>
  );
}
