/** The schema of a stream, and the changes that its records ask for. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import {
  Stream_SchemaMode as Mode,
  type SchemaProposal,
  SchemaProposal_State as State,
} from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { FieldList } from "./field-list.tsx";
import { Proposal } from "./proposal.tsx";
import { SchemaForm } from "./schema-form.tsx";
import type { StreamPart } from "./stream.tsx";

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

function Proposals({ stream }: { readonly stream: string }) {
  const query = useInfiniteQuery(
    StreamService.method.listSchemaProposals,
    { parent: stream, pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="drift-title">
      <h2 id="drift-title">Proposed changes</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.schemaProposals);
          const waiting = all.filter(({ state }) => state === State.PENDING);
          return (
            <>
              {waiting.length === 0 && (
                <p>None. Records of a new shape are shown here when the mode is Evolve.</p>
              )}
              {waiting.map((each) => (
                <Proposal key={each.name} proposal={each} />
              ))}
              <Decided proposals={all.filter(({ state }) => state !== State.PENDING)} />
            </>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

/** What was decided before. */
function Decided({ proposals }: { readonly proposals: readonly SchemaProposal[] }) {
  if (proposals.length === 0) return null;
  return (
    <details>
      <summary>Decided before: {proposals.length}</summary>
      <ul>
        {proposals.map(({ name, state, sampleJson, decideTime }) => (
          <li key={name}>
            {state === State.ACCEPTED ? "Accepted" : "Dismissed"} <Time at={decideTime} />:{" "}
            <code>{sampleJson}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}
