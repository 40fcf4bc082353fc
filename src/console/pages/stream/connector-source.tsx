/** The source that a Kafka connector sends to: it takes access tokens, and sets bad records apart. */
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Source_Mode as Mode, type Source } from "#gen/tributary/management/v1/source_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { isOfBranch, type LogPlace, MAIN } from "../../api/log-place.ts";
import { ActionButton } from "../../parts/form.tsx";
import { Loaded } from "../../parts/note.tsx";
import { sources } from "./authentications.ts";

const PAGE_SIZE = 1_000;

/** Shows what is made of the source's address, or offers to make the source. */
export function ConnectorSource(props: {
  readonly place: LogPlace;
  readonly children: (url: string) => ReactNode;
}) {
  const { place, children } = props;
  const { stream, branch } = place;
  const queries = useQueryClient();
  const request = { parent: stream, pageSize: PAGE_SIZE };
  const query = useQuery(SourceService.method.listSources, request);
  const make = async () => {
    const authentication = { case: "bearer" as const, value: {} };
    const displayName = branch === MAIN ? "Kafka Connect" : `Kafka Connect ${branch}`;
    const source = { displayName, branch, authentication, quarantine: true };
    await sources.createSource({ parent: stream, source: { ...source, mode: Mode.RECORDS } });
    await queries.invalidateQueries();
  };
  return (
    <Loaded query={query}>
      {(page) => {
        const found = page.sources.find((source) => isFitting(source, branch));
        if (found) return children(found.url);
        return (
          <div className="stack">
            <p>
              A connector sends to a source of the stream. This one takes access tokens, and sets a
              record apart that does not fit, since a refused batch would end the connector's task.
            </p>
            <div>
              <ActionButton label="Make the source for Kafka Connect" call={make} />
            </div>
          </div>
        );
      }}
    </Loaded>
  );
}

function isFitting({ mode, authentication, disabled, branch }: Source, wanted: string): boolean {
  const takesRecords = mode === Mode.RECORDS && authentication.case === "bearer";
  return takesRecords && !disabled && isOfBranch(branch, wanted);
}
