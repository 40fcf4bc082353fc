/** Records that a source took and the stream refused. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { sources } from "./authentications.ts";

const decoder = new TextDecoder();

/** The list, with another try and discard. */
export function Quarantine({ source }: { readonly source: string }) {
  const queries = useQueryClient();
  const query = useInfiniteQuery(
    SourceService.method.listQuarantinedRecords,
    { parent: source, pageToken: "" },
    PAGES,
  );
  return (
    <details>
      <summary>Quarantine: {String(query.data?.pages[0]?.total ?? 0)} records</summary>
      <Loaded query={query}>
        {({ pages }) => (
          <div className="stack">
            {pages
              .flatMap((page) => page.quarantinedRecords)
              .map((record) => (
                <article className="card" key={record.id}>
                  <p className="fault">{record.error}</p>
                  <code>{decoder.decode(record.content)}</code>
                  <p className="quiet">
                    {record.reason}, from {record.address}, <Time at={record.arrivalTime} />
                  </p>
                </article>
              ))}
          </div>
        )}
      </Loaded>
      <MoreButton query={query} />
      <div className="actions">
        <ActionButton
          label="Push them again"
          call={async () => {
            const { refusals } = await sources.resendQuarantinedRecords({ name: source });
            await queries.invalidateQueries();
            const [first] = refusals;
            if (first) throw new Error(`${refusals.length} are still refused: ${first.error}`);
          }}
        />
        <ConfirmButton
          label="Discard all"
          title="Discard the quarantine?"
          text="Its records were never part of the stream and are gone for good."
          confirm="Discard them"
          call={async () => {
            await sources.discardQuarantinedRecords({ name: source });
            await queries.invalidateQueries();
          }}
        />
      </div>
    </details>
  );
}
