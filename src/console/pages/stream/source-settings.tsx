/** Changes what a source takes and from whom. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Source, SourceSchema } from "#gen/tributary/management/v1/source_pb.js";
import { faultAt } from "../../api/fault.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { Note } from "../../parts/note.tsx";
import { AUTHENTICATIONS, type AuthenticationId, sources } from "./authentications.ts";

const ALWAYS = [
  ...["description", "allowed_addresses", "methods", "quarantine", "record_id_path"],
  ...["challenges", "keep_headers", "disabled"],
];

/** The part "Settings". It begins anew when the source was changed, by whomever. */
export function SourceSettings({ source }: { readonly source: Source }) {
  const [secret, setSecret] = useState("");
  const [isSaved, setSaved] = useState(false);
  return (
    <>
      {secret && (
        <SecretBox what="New secret of the source" secret={secret} onDone={() => setSecret("")} />
      )}
      <SettingsForm
        key={source.etag}
        source={source}
        onSaved={(made) => {
          setSecret(made);
          setSaved(true);
        }}
      />
      <p role="status">{isSaved && "Saved."}</p>
    </>
  );
}

function SettingsForm(props: {
  readonly source: Source;
  readonly onSaved: (secret: string) => void;
}) {
  const { source, onSaved } = props;
  const queries = useQueryClient();
  const [input, setInput] = useState(() => toJson(SourceSchema, source) as JsonObject);
  const [kind, setKind] = useState(source.authentication.case);
  const field = SourceSchema.fields.find(({ localName }) => localName === (kind ?? "poll"));
  const submit = useSubmit(async () => {
    const changed = fromJson(SourceSchema, typedJson(SourceSchema, input));
    // An authentication that nobody touched stays as it is, with its secrets.
    const isTouched =
      JSON.stringify(input[field?.jsonName ?? ""]) !==
      JSON.stringify((toJson(SourceSchema, source) as JsonObject)[field?.jsonName ?? ""]);
    const paths = ["display_name", ...ALWAYS, ...(isTouched && field ? [field.name] : [])];
    const { secret } = await sources.updateSource({ source: changed, updateMask: { paths } });
    // The form begins anew with what was saved, before anything is said of it.
    await queries.invalidateQueries();
    onSaved(secret);
  });
  const part = { value: input, onChange: setInput, faults: submit.faults };
  return (
    <section className="card stack" aria-labelledby="source-settings">
      <h2 id="source-settings">Settings</h2>
      <Form submit={submit} label="Save">
        <TextField
          label="Name"
          value={typeof input.displayName === "string" ? input.displayName : ""}
          onChange={(displayName) => setInput({ ...input, displayName })}
          fault={faultAt(submit.faults, "source.display_name")}
        />
        {kind !== undefined && (
          <Authentication
            kind={kind}
            onChange={(next) => {
              const { [kind]: _old, ...rest } = input;
              setInput({ ...rest, [next]: {} });
              setKind(next);
            }}
          />
        )}
        {field?.fieldKind === "message" && (
          <MessageForm
            desc={field.message}
            value={(input[field.jsonName] ?? {}) as JsonObject}
            onChange={(next) => setInput({ ...input, [field.jsonName]: next })}
            path={`source.${field.name}`}
            faults={submit.faults}
          />
        )}
        <MessageForm {...part} desc={SourceSchema} only={ALWAYS} path="source" />
      </Form>
    </section>
  );
}

function Authentication(props: {
  readonly kind: AuthenticationId;
  readonly onChange: (kind: AuthenticationId) => void;
}) {
  const { kind, onChange } = props;
  return (
    <>
      <SelectField
        label="Authentication"
        value={kind}
        choices={AUTHENTICATIONS.map(([id, text]) => [id, text] as const)}
        onChange={onChange}
        hint="With another kind the old keys end, and a new secret is shown once."
      />
      <Note kind={/^(none|address|secretUrl)$/.test(kind) ? "warn" : "info"}>
        {AUTHENTICATIONS.find(([id]) => id === kind)?.[2]}
      </Note>
    </>
  );
}
