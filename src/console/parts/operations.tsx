/** What a credential may do. */
import { CheckField } from "./field.tsx";

const OPERATIONS = [
  ["api:use-streams-write", "Push records"],
  ["api:use-streams-read", "Read records and settings"],
  ["api:use-streams-manage", "Change settings"],
] as const;

/** One switch an operation. */
export function OperationFields(props: {
  readonly value: readonly string[];
  readonly onChange: (value: string[]) => void;
}) {
  const { value, onChange } = props;
  return (
    <fieldset>
      <legend>Operations</legend>
      {OPERATIONS.map(([id, text]) => (
        <CheckField
          key={id}
          label={
            <>
              {text} <code>{id}</code>
            </>
          }
          checked={value.includes(id)}
          onChange={(isOn) => onChange(isOn ? [...value, id] : value.filter((each) => each !== id))}
        />
      ))}
    </fieldset>
  );
}
