/** How long a secret that is replaced goes on working beside the new one. */
import { SelectField } from "./field.tsx";

const HOUR = 3_600;
const CHOICES = [
  [0, "Not at all: it ends at once"],
  [HOUR, "1 hour"],
  [24 * HOUR, "1 day"],
  [7 * 24 * HOUR, "7 days"],
] as const;

/** The choice, in seconds. */
export function OverlapField(props: {
  /** What is replaced, such as `the old token`. */
  readonly what: string;
  readonly value: number;
  readonly onChange: (seconds: number) => void;
  readonly fault: string | undefined;
}) {
  return (
    <SelectField<number>
      label={`How long ${props.what} works on`}
      value={props.value}
      choices={CHOICES}
      onChange={props.onChange}
      fault={props.fault}
    />
  );
}
