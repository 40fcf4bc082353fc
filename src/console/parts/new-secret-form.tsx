/** A new secret in place of one that may go on working for a while beside it. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { faultAt } from "../api/fault.ts";
import { SelectField } from "./field.tsx";
import { Form, useSubmit } from "./form.tsx";

const HOUR = 3_600;
const CHOICES = [
  [0, "Not at all: it ends at once"],
  [HOUR, "1 hour"],
  [24 * HOUR, "1 day"],
  [7 * 24 * HOUR, "7 days"],
] as const;

/** The choice, and the button that makes the secret. */
export function NewSecretForm(props: {
  /** Gives the new secret; the old one works on for `overlap`. */
  readonly make: (overlap: { readonly seconds: bigint }) => Promise<string>;
  readonly onSecret: (secret: string) => void;
}) {
  const { make, onSecret } = props;
  const queries = useQueryClient();
  const [overlap, setOverlap] = useState(0);
  const submit = useSubmit(async () => {
    const secret = await make({ seconds: BigInt(overlap) });
    await queries.invalidateQueries();
    onSecret(secret);
  });
  return (
    <Form submit={submit} label="Make the new secret">
      <p>The new secret works at once, and is shown once.</p>
      <SelectField<number>
        label="How long the old secret works on"
        value={overlap}
        choices={CHOICES}
        onChange={setOverlap}
        fault={faultAt(submit.faults, "overlap")}
      />
    </Form>
  );
}
