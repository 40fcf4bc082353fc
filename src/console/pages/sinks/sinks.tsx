/** The sinks of a stream: the list, a new one, or one of them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import { Link, useSearch } from "wouter";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { isOfBranch, type LogPlace, MAIN } from "../../api/log-place.ts";
import { PAGES } from "../../api/queries.ts";
import { SelectField } from "../../parts/field.tsx";
import { MoreButton, type PagedQuery, refreshEvery } from "../../parts/more.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { VirtualTable } from "../../parts/virtual-table.tsx";
import type { StreamPart } from "../stream/stream.tsx";
import { NewSink } from "./new-sink.tsx";
import { branchOfAddress, newSinkAt } from "./new-sink-address.ts";
import { RealtimeSwitch } from "./realtime-switch.tsx";
import { columnsOf, isInTrouble, lagMsOf } from "./sink-columns.tsx";
import { SinkDetails } from "./sink-details.tsx";
import { SINK_KINDS } from "./sink-kinds.ts";

const REFRESH_MS = 2_000;

const ORDERS = [
  ["new", "Newest first"],
  ["late", "Furthest behind first"],
] as const;
const SHOWN = [
  ["all", "All sinks"],
  ["trouble", "Those that fail, hold records or are a minute late"],
] as const;

/** The part "Sinks". */
export default function Sinks({ stream, branch, id, more }: StreamPart) {
  const kind = SINK_KINDS.find((each) => each.id === more);
  const wanted = branchOfAddress(useSearch());
  const form = { stream: stream.name, branch: wanted };
  if (id === "new" && kind) return <NewSink place={form} kind={kind} />;
  if (id === "new") return <Tiles place={form} />;
  if (id) return <SinkDetails stream={stream} name={`${stream.name}/sinks/${id}`} part={more} />;
  return <SinkList place={{ stream: stream.name, branch }} />;
}

function SinkList({ place }: { readonly place: LogPlace }) {
  const { stream, branch } = place;
  const query = useInfiniteQuery(
    SinkService.method.listSinks,
    { parent: stream, pageToken: "" },
    {
      ...PAGES,
      refetchInterval: refreshEvery(REFRESH_MS),
    },
  );
  return (
    <>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.sinks);
          // The stream's own list has the sinks of all branches, a branch's only its own.
          const own = branch === MAIN ? all : all.filter((sink) => isOfBranch(sink.branch, branch));
          if (own.length === 0 && !query.hasNextPage) return <Tiles place={place} />;
          return (
            <>
              <div>
                <Link href={newSinkAt(place)} className="button primary">
                  Add sink
                </Link>
              </div>
              {branch === MAIN && <RealtimeSwitch stream={stream} shown={all} />}
              <h2>Realtime configuration</h2>
              <SinkTable sinks={own} more={query} />
            </>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

function SinkTable(props: { readonly sinks: readonly Sink[]; readonly more: PagedQuery }) {
  const { sinks, more } = props;
  const [order, setOrder] = useState<(typeof ORDERS)[number][0]>("new");
  const [shown, setShown] = useState<(typeof SHOWN)[number][0]>("all");
  const wanted = shown === "all" ? sinks : sinks.filter(isInTrouble);
  const rows = order === "new" ? wanted : wanted.toSorted((a, b) => lagMsOf(b) - lagMsOf(a));
  const title = order === "new" ? "Sinks, newest first" : "Sinks, furthest behind first";
  return (
    <>
      {sinks.length > 1 && (
        <div className="row">
          <SelectField label="Order" value={order} choices={ORDERS} onChange={setOrder} />
          <SelectField label="Show" value={shown} choices={SHOWN} onChange={setShown} />
        </div>
      )}
      {rows.length === 0 ? (
        <Note kind="good">No sink has trouble.</Note>
      ) : (
        <VirtualTable
          label={title}
          columns={columnsOf(sinks)}
          rows={rows}
          keyOf={({ name }) => name}
          more={more}
        />
      )}
    </>
  );
}

function Tiles({ place }: { readonly place: LogPlace }) {
  return (
    <section className="stack" aria-labelledby="kinds">
      <h2 id="kinds">
        {place.branch === MAIN
          ? "Where should the records go?"
          : `Where should the records of the branch ${place.branch} go?`}
      </h2>
      <ul className="tiles">
        {SINK_KINDS.map((kind) => (
          <li className="card stack" key={kind.id}>
            <h3>{kind.title}</h3>
            <p>{kind.text}</p>
            <div>
              <Link href={newSinkAt(place, kind.id)} className="button">
                Add {kind.title}
              </Link>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
