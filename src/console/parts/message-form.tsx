/** A form that is made from a message's descriptor: a new field of a proto needs no line here. */
import type { DescField, DescMessage, DescOneof, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { type FieldFault, faultAt } from "../api/fault.ts";
import { CheckField, SelectField, TextArea, TextField } from "./field.tsx";
import { commentOf, isOutputOnly, wordsOf } from "./message-words.ts";

interface MessagePart {
  /** The message in the JSON form of Protobuf. */
  readonly value: JsonObject;
  readonly onChange: (value: JsonObject) => void;
  /** Path of the message in the request, such as `sink.webhook`. */
  readonly path: string;
  readonly faults: readonly FieldFault[];
}

/** Messages that are one text in JSON. */
const TEXT_MESSAGES = new Set(["google.protobuf.Duration", "google.protobuf.Timestamp"]);

/** Fields of a message, or only those that are named. */
export function MessageForm({
  desc,
  only,
  without = [],
  ...part
}: MessagePart & {
  readonly desc: DescMessage;
  readonly only?: readonly string[];
  readonly without?: readonly string[];
}) {
  const members = desc.members.filter((member) =>
    only
      ? only.includes(member.name)
      : !without.includes(member.name) && (member.kind === "oneof" || !isOutputOnly(member)),
  );
  return (
    <>
      {members.map((member) =>
        member.kind === "oneof" ? (
          <OneofInput key={member.name} oneof={member} {...part} />
        ) : (
          <FieldInput key={member.name} field={member} {...part} />
        ),
      )}
    </>
  );
}

function OneofInput({ oneof, ...part }: MessagePart & { readonly oneof: DescOneof }) {
  const chosen = oneof.fields.find((field) => field.jsonName in part.value);
  const choices = oneof.fields.map((field) => [field.jsonName, wordsOf(field.name)] as const);
  const choose = (name: string) => {
    const rest = { ...part.value };
    for (const field of oneof.fields) delete rest[field.jsonName];
    const field = oneof.fields.find((each) => each.jsonName === name);
    part.onChange(field ? { ...rest, [name]: emptyOf(field) } : rest);
  };
  return (
    <>
      <SelectField
        label={wordsOf(oneof.name)}
        value={chosen?.jsonName ?? ""}
        choices={[["", "Not set"], ...choices]}
        onChange={choose}
        fault={faultAt(part.faults, `${part.path}.${oneof.name}`)}
      />
      {chosen && <FieldInput field={chosen} {...part} />}
    </>
  );
}

function FieldInput({ field, ...part }: MessagePart & { readonly field: DescField }) {
  const { value, onChange, faults } = part;
  const path = `${part.path}.${field.name}`;
  const set = (next: JsonValue | undefined) => {
    const { [field.jsonName]: _old, ...rest } = value;
    onChange(next === undefined ? rest : { ...rest, [field.jsonName]: next });
  };
  const label = wordsOf(field.name);
  const shared = { label, hint: commentOf(field), fault: faultAt(faults, path) };
  const current = value[field.jsonName];
  if (field.fieldKind === "message" && !TEXT_MESSAGES.has(field.message.typeName)) {
    const inner = (current ?? {}) as JsonObject;
    return (
      <details open={faults.some((each) => each.field.startsWith(path)) || undefined}>
        <summary>{label}</summary>
        <fieldset>
          <legend>{commentOf(field) || label}</legend>
          <MessageForm
            desc={field.message}
            value={inner}
            onChange={(next) => set(Object.keys(next).length > 0 ? next : undefined)}
            path={path}
            faults={faults}
          />
        </fieldset>
      </details>
    );
  }
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL) {
    return (
      <CheckField
        label={`${label}: ${shared.hint}`}
        checked={current === true}
        onChange={(checked) => set(checked || undefined)}
      />
    );
  }
  if (field.fieldKind === "enum") {
    const choices = field.enum.values.map((each) => [each.name, wordsOf(each.name)] as const);
    const [none] = choices;
    const names: (readonly [string, string])[] = choices.map(([name, words]) =>
      name === none?.[0] ? [name, "Default"] : [name, words],
    );
    return (
      <SelectField
        {...shared}
        value={String(current ?? none?.[0])}
        choices={names}
        onChange={set}
      />
    );
  }
  return <TextInput field={field} shared={shared} current={current} set={set} />;
}

/** Everything that is typed: one line, a list with one a line, or `name: value` lines. */
function TextInput(props: {
  readonly field: DescField;
  readonly shared: { label: string; hint: string; fault: string | undefined };
  readonly current: JsonValue | undefined;
  readonly set: (value: JsonValue | undefined) => void;
}) {
  const { field, shared, current, set } = props;
  if (field.fieldKind === "list" && field.listKind === "enum") {
    return <EnumList {...props} values={field.enum.values.slice(1).map(({ name }) => name)} />;
  }
  if (field.fieldKind === "list") {
    const lines = Array.isArray(current) ? current.join("\n") : "";
    const hint = `${shared.hint} One a line.`;
    const read = (text: string) => set(text === "" ? undefined : text.split("\n"));
    return <TextArea {...shared} hint={hint} rows={2} value={lines} onChange={read} />;
  }
  if (field.fieldKind === "map") {
    const lines = Object.entries((current ?? {}) as JsonObject).map(([k, v]) => `${k}: ${v}`);
    const hint = `${shared.hint} One a line, as name: value.`;
    return (
      <TextArea
        {...shared}
        hint={hint}
        rows={2}
        value={typeof current === "string" ? current : lines.join("\n")}
        onChange={(text) => set(text === "" ? undefined : text)}
      />
    );
  }
  const text = typeof current === "string" || typeof current === "number" ? String(current) : "";
  const change = (next: string) => set(next === "" ? undefined : next);
  if (/\bPEM\b/.test(shared.hint) || /_(?:file|template)$/.test(field.name)) {
    return <TextArea {...shared} rows={3} isCode value={text} onChange={change} />;
  }
  const isSecret = field.proto.options?.debugRedact ?? false;
  return (
    <TextField
      {...shared}
      type={isSecret ? "password" : "text"}
      autoComplete={isSecret ? "new-password" : "off"}
      value={text}
      onChange={change}
    />
  );
}

/** A switch for each value that a list may hold. */
function EnumList(props: {
  readonly values: readonly string[];
  readonly shared: { label: string; hint: string; fault: string | undefined };
  readonly current: JsonValue | undefined;
  readonly set: (value: JsonValue | undefined) => void;
}) {
  const { values, shared, current, set } = props;
  const chosen = Array.isArray(current) ? current : [];
  const change = (name: string, isOn: boolean) => {
    const next = values.filter((each) => (each === name ? isOn : chosen.includes(each)));
    set(next.length > 0 ? next : undefined);
  };
  return (
    <fieldset>
      <legend>{shared.label}</legend>
      <p className="hint">{shared.hint}</p>
      {values.map((name) => (
        <CheckField
          key={name}
          label={wordsOf(name)}
          checked={chosen.includes(name)}
          onChange={(isOn) => change(name, isOn)}
        />
      ))}
      {shared.fault && <p className="fault">{shared.fault}</p>}
    </fieldset>
  );
}

function emptyOf(field: DescField): JsonValue {
  if (field.fieldKind === "message" && !TEXT_MESSAGES.has(field.message.typeName)) return {};
  return field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL ? true : "";
}
