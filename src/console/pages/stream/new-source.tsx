/** Makes a source. */
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { SourceSchema } from "#gen/tributary/management/v1/source_pb.js";
import { faultAt } from "../../api/fault.ts";
import { CopyLine, SecretBox } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { Note } from "../../parts/note.tsx";
import { AUTHENTICATIONS, type AuthenticationId, sources } from "./authentications.ts";

const COMMON = ["mode", "allowed_addresses", "methods", "quarantine", "record_id_path"];
const RARE = ["description", "branch", "challenges", "keep_headers"];

/** The form, and once it is made its secret. */
export function NewSource({ stream }: { readonly stream: string }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [title, setTitle] = useState("");
  const [kind, setKind] = useState<AuthenticationId>("apiKey");
  const [input, setInput] = useState<JsonObject>({ apiKey: {} });
  const [made, setMade] = useState<{ secret: string; url: string }>();
  // A source that asks by itself has no senders.
  const isPolled = input.mode === "POLL";
  const submit = useSubmit(async () => {
    const { [isPolled ? kind : "poll"]: _other, ...given } = input;
    const json = typedJson(SourceSchema, { ...given, displayName: title });
    const answer = await sources.createSource({
      parent: stream,
      source: fromJson(SourceSchema, json),
    });
    setInput({ [kind]: {} });
    await queries.invalidateQueries();
    setMade(answer);
  });
  const done = () => navigate(`/${stream}/sources`);
  if (made) return <Made made={made} onDone={done} />;
  const fault = (name: string) => faultAt(submit.faults, name);
  const id = isPolled ? "poll" : kind;
  const field = SourceSchema.fields.find(({ jsonName }) => jsonName === id);
  const choose = (next: AuthenticationId) => {
    const { [kind]: _old, ...rest } = input;
    setInput({ ...rest, [next]: {} });
    setKind(next);
  };
  const part = { desc: SourceSchema, value: input, onChange: setInput, path: "source" };
  return (
    <section className="card stack" aria-labelledby="new-source">
      <h2 id="new-source">New source</h2>
      <Form submit={submit} label="Create source">
        <TextField
          label="Name"
          value={title}
          onChange={setTitle}
          fault={fault("source_id") ?? fault("source.display_name")}
        />
        {!isPolled && (
          <>
            <SelectField
              label="Authentication"
              value={kind}
              choices={AUTHENTICATIONS.map(([each, text]) => [each, text] as const)}
              onChange={choose}
              fault={fault("source.authentication") ?? (field && fault(`source.${field.name}`))}
            />
            <Note kind={isRisky(kind) ? "warn" : "info"}>
              {AUTHENTICATIONS.find(([each]) => each === kind)?.[2]}
            </Note>
          </>
        )}
        {field?.fieldKind === "message" && (
          <MessageForm
            desc={field.message}
            value={(input[id] ?? {}) as JsonObject}
            onChange={(next) => setInput({ ...input, [id]: next })}
            path={`source.${field.name}`}
            faults={submit.faults}
          />
        )}
        <MessageForm {...part} only={COMMON} faults={submit.faults} />
        <details>
          <summary>More</summary>
          <MessageForm {...part} only={RARE} faults={submit.faults} />
        </details>
      </Form>
    </section>
  );
}

function Made(props: {
  readonly made: { secret: string; url: string };
  readonly onDone: () => void;
}) {
  const { secret, url } = props.made;
  return (
    <>
      {url ? (
        <>
          <Note kind="good">The source takes requests at this address:</Note>
          <CopyLine text={url} what="the address" />
        </>
      ) : (
        <Note kind="good">The source asks the address from now on.</Note>
      )}
      {secret ? (
        <SecretBox what="Secret of the source" secret={secret} onDone={props.onDone} />
      ) : (
        <div>
          <button type="button" onClick={props.onDone}>
            To the sources
          </button>
        </div>
      )}
    </>
  );
}

function isRisky(kind: AuthenticationId): boolean {
  return kind === "none" || kind === "address" || kind === "secretUrl";
}
