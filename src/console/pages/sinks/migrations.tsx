/** Moves a stream from this sink to another one at one sequence, and shows the proof. */
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { MigrationService } from "#gen/tributary/management/v1/migration_service_pb.js";
import { SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { faultAt } from "../../api/fault.ts";
import { transport } from "../../api/transport.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { TASK_PAGES, TaskList } from "../../parts/task-list.tsx";
import { MigrationFacts } from "./migration-facts.tsx";
import type { SinkPart } from "./sink-details.tsx";
import { SINK_KINDS } from "./sink-kinds.ts";

const migrations = createClient(MigrationService, transport);

/** The part "Migration". */
export default function Migrations({ sink: { name, filter, mapping } }: SinkPart) {
  const query = useInfiniteQuery(
    MigrationService.method.listMigrations,
    { parent: name, pageToken: "" },
    TASK_PAGES,
  );
  return (
    <>
      <MigrationForm
        sink={name}
        rules={{ ...(filter && { filter }), ...(mapping && { mapping }) }}
      />
      <TaskList title="Migrations" query={query} itemsOf={(page) => page.migrations}>
        {(migration) => <MigrationFacts migration={migration} />}
      </TaskList>
    </>
  );
}

function MigrationForm(props: {
  readonly sink: string;
  readonly rules: Pick<SinkPart["sink"], "filter" | "mapping">;
}) {
  const queries = useQueryClient();
  const [title, setTitle] = useState("");
  const [id, setId] = useState("");
  const [config, setConfig] = useState<JsonObject>({});
  const [secret, setSecret] = useState("");
  const kind = SINK_KINDS.find((each) => each.id === id);
  const submit = useSubmit(async () => {
    const json = typedJson(SinkSchema, { displayName: title, ...(id && { [id]: config }) });
    const sink = { ...fromJson(SinkSchema, json), ...props.rules };
    const answer = await migrations.createMigration({ parent: props.sink, sink });
    setSecret(answer.signingSecret);
    setConfig({});
    setTitle("");
    await queries.invalidateQueries();
  });
  if (secret) {
    return (
      <SecretBox
        what="Signing secret of the new webhook"
        secret={secret}
        onDone={() => setSecret("")}
      />
    );
  }
  return (
    <section className="card stack" aria-labelledby="migrate-title">
      <h2 id="migrate-title">Move to another destination</h2>
      <p>
        This sink gets all records below one sequence, the new one all from it on, while pushes go
        on. The new sink takes over filter and mapping. Nothing is left out.
      </p>
      <Form submit={submit} label="Move" disabled={!kind}>
        <TextField
          label="Name of the new sink"
          value={title}
          onChange={setTitle}
          fault={faultAt(submit.faults, "sink_id") ?? faultAt(submit.faults, "sink.display_name")}
        />
        <SelectField
          label="Destination"
          value={id}
          choices={[
            ["", "Choose one"],
            ...SINK_KINDS.map((each) => [each.id, each.title] as const),
          ]}
          onChange={(next) => {
            setId(next);
            setConfig({});
          }}
        />
        {kind?.field.fieldKind === "message" && (
          <MessageForm
            desc={kind.field.message}
            value={config}
            onChange={setConfig}
            path={`sink.${kind.field.name}`}
            faults={submit.faults}
          />
        )}
      </Form>
    </section>
  );
}
