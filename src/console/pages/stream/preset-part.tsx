/** Schemas that are ready to use, and what can be chosen of those whose fields are settled. */
import { create } from "@bufbuild/protobuf";
import { useState } from "react";
import {
  Schema_Preset as Preset,
  type Schema,
  SchemaSchema,
  type Stream,
} from "#gen/tributary/management/v1/stream_pb.js";
import { canBeKey } from "../../api/field-types.ts";
import { CheckField, SelectField } from "../../parts/field.tsx";
import { FaultNote } from "../../parts/note.tsx";
import { FieldList } from "./field-list.tsx";
import { streams } from "./stream-draft.ts";

const PRESETS = [
  [Preset.PRESET_UNSPECIFIED, "Fields of your own"],
  [Preset.FEED_UPDATES, "Updates of feeds"],
  [Preset.EVENTS, "Events of a service"],
  [Preset.USAGE_DATA, "Usage of a service"],
  [Preset.HTTP_REQUEST, "Whole HTTP requests, for webhooks of any shape"],
] as const;

/** A choice that fills in the fields. Only the server knows them, so it is asked. */
export function PresetField(props: {
  readonly project: string;
  readonly schema: Schema | undefined;
  readonly onSchema: (schema: Schema) => void;
}) {
  const { project, schema, onSchema } = props;
  const [chosen, setChosen] = useState(schema?.preset ?? Preset.PRESET_UNSPECIFIED);
  const [error, setError] = useState<unknown>();
  const choose = async (preset: Preset) => {
    const before = chosen;
    setChosen(preset);
    setError(undefined);
    try {
      onSchema(await readPreset(project, preset, schema));
    } catch (thrown) {
      setChosen(before);
      setError(thrown);
    }
  };
  return (
    <>
      <SelectField
        label="Begin with"
        value={chosen}
        choices={PRESETS}
        onChange={(preset) => void choose(preset)}
      />
      <FaultNote error={error} />
    </>
  );
}

async function readPreset(
  parent: string,
  preset: Preset,
  schema: Schema | undefined,
): Promise<Schema> {
  if (preset === Preset.PRESET_UNSPECIFIED) {
    return create(SchemaSchema, schema ? { ...schema, preset } : {});
  }
  const { stream } = await streams.createStream({
    parent,
    // An id that no stream has, so nothing but the preset is looked at.
    streamId: `preset-${crypto.randomUUID()}`,
    stream: { schema: { preset } },
    validateOnly: true,
  });
  return stream?.schema ?? create(SchemaSchema, { preset });
}

/** The fields of a preset that has rules of its own: they stand, and only the key is chosen. */
export function SettledFields(props: {
  readonly draft: Stream;
  readonly onKeys: (keyFields: string[]) => void;
}) {
  const { draft, onKeys } = props;
  const fields = draft.schema?.fields ?? [];
  const { keyFields } = draft;
  return (
    <>
      <p>The fields of this preset stand as they are, for it has rules beside them.</p>
      <FieldList fields={fields} keys={keyFields} />
      <fieldset>
        <legend>Key</legend>
        {fields.filter(canBeKey).map(({ name }) => (
          <CheckField
            key={name}
            label={name}
            checked={keyFields.includes(name)}
            onChange={(isKey) =>
              onKeys(isKey ? [...keyFields, name] : keyFields.filter((each) => each !== name))
            }
          />
        ))}
      </fieldset>
    </>
  );
}
