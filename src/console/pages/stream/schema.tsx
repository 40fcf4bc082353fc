/** The schema of a stream, and the changes that its records ask for. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import {
  type Field,
  Stream_SchemaMode as Mode,
  type SchemaProposal,
  SchemaProposal_State as State,
} from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { typeName } from "../../api/field-types.ts";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { SchemaForm } from "./schema-form.tsx";
import type { StreamPart } from "./stream.tsx";
import { streams } from "./stream-draft.ts";

const MODES: Readonly<Record<Mode, string>> = {
  [Mode.SCHEMA_MODE_UNSPECIFIED]: "Strict",
  [Mode.STRICT]: "Strict: records that do not fit are refused",
  [Mode.EVOLVE]: "Evolve: records that do not fit are taken, and a change is proposed here",
  [Mode.OPEN]: "Open: records that do not fit are taken",
};

/** The part "Schema". */
export default function SchemaView({ stream }: StreamPart) {
  return (
    <>
      <Proposals stream={stream.name} />
      <section className="card stack" aria-labelledby="fields-title">
        <h2 id="fields-title">Fields, version {String(stream.schemaVersion)}</h2>
        <p>{MODES[stream.schemaMode]}</p>
        <p>Key: {stream.keyFields.join(", ") || "none"}</p>
        <FieldList fields={stream.schema?.fields ?? []} keys={stream.keyFields} />
        <SchemaForm stream={stream} key={stream.etag} />
      </section>
    </>
  );
}

function FieldList(props: {
  readonly fields: readonly Field[];
  readonly keys?: readonly string[];
}) {
  return (
    <ul>
      {props.fields.map((field) => (
        <li key={field.name}>
          <code>{field.name}</code>: {typeName(field)}
          {field.nullable && <span className="quiet">, may be missing</span>}
          {props.keys?.includes(field.name) && <strong>, part of the key</strong>}
          {field.description && <span className="quiet">: {field.description}</span>}
          <Inner field={field} />
        </li>
      ))}
    </ul>
  );
}

function Inner({ field }: { readonly field: Field }) {
  if (field.fields.length > 0) return <FieldList fields={field.fields} />;
  return field.element ? <Inner field={field.element} /> : null;
}

function Proposals({ stream }: { readonly stream: string }) {
  const query = useInfiniteQuery(
    StreamService.method.listSchemaProposals,
    { parent: stream, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (page) => page.nextPageToken || undefined },
  );
  return (
    <section className="card stack" aria-labelledby="drift-title">
      <h2 id="drift-title">Proposed changes</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const waiting = pages
            .flatMap((page) => page.schemaProposals)
            .filter(({ state }) => state === State.PENDING);
          if (waiting.length === 0) {
            return <p>None. Records of a new shape are shown here when the mode is Evolve.</p>;
          }
          return waiting.map((each) => <Proposal key={each.name} proposal={each} />);
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function Proposal({ proposal }: { readonly proposal: SchemaProposal }) {
  const queries = useQueryClient();
  const { name, changes, unusablePaths, sampleJson, createTime } = proposal;
  return (
    <article className="card stack">
      <p>
        A record of <Time at={createTime} /> does not fit:
      </p>
      <ul>
        {changes.map((change) => (
          <li key={change.path}>
            <code>{change.path}</code>: {change.before ? `${change.before} → ` : "new, "}
            {change.after}
          </li>
        ))}
        {unusablePaths.map((path) => (
          <li key={path}>
            <code>{path}</code> cannot be a field
          </li>
        ))}
      </ul>
      <code>{sampleJson}</code>
      <div className="actions">
        <ActionButton
          label="Accept"
          className="primary"
          call={async () => {
            await streams.acceptSchemaProposal({ name });
            await queries.invalidateQueries();
          }}
        />
        <ActionButton
          label="Dismiss"
          call={async () => {
            await streams.dismissSchemaProposal({ name });
            await queries.invalidateQueries();
          }}
        />
      </div>
    </article>
  );
}
