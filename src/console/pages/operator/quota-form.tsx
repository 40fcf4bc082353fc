/** What a project may use. */
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { QuotasSchema, type QuotaUse } from "#gen/tributary/management/v1/installation_pb.js";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { installations } from "./installations.ts";

/** The form. A field that is left empty has the installation's default. */
export function QuotaForm(props: {
  readonly project: string;
  readonly quotas: readonly QuotaUse[];
}) {
  const { project, quotas } = props;
  const queries = useQueryClient();
  const [input, setInput] = useState(() => ownQuotas(quotas));
  const [isSaved, setSaved] = useState(false);
  const submit = useSubmit(async () => {
    await installations.updateProjectQuotas({
      name: project,
      quotas: fromJson(QuotasSchema, typedJson(QuotasSchema, input)),
      updateMask: { paths: QuotasSchema.fields.map(({ name }) => name) },
    });
    setSaved(true);
    await queries.invalidateQueries();
  });
  return (
    <Form submit={submit} label="Save the quotas">
      <MessageForm
        desc={QuotasSchema}
        value={input}
        onChange={(next) => {
          setInput(next);
          setSaved(false);
        }}
        path="quotas"
        faults={submit.faults}
      />
      <p role="status">{isSaved && "Saved."}</p>
    </Form>
  );
}

/** Those that are the project's own, in the JSON form of Quotas. */
function ownQuotas(quotas: readonly QuotaUse[]): JsonObject {
  const own = quotas.filter(({ isDefault }) => !isDefault);
  return Object.fromEntries(
    own.map(({ name, limit }) => {
      const field = QuotasSchema.fields.find((each) => each.name === name);
      return [field?.jsonName ?? name, String(limit)];
    }),
  );
}
