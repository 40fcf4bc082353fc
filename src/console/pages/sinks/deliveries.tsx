/** Each try to bring records to a destination, with what was sent and what was answered. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import { type Attempt, Attempt_State as State } from "#gen/tributary/management/v1/attempt_pb.js";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import { timestampOf } from "../../api/local-time.ts";
import { PAGES } from "../../api/queries.ts";
import { SelectField, TextField } from "../../parts/field.tsx";
import { duration } from "../../parts/figures.ts";
import { MoreButton, type PagedQuery, refreshEvery } from "../../parts/more.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { VirtualTable } from "../../parts/virtual-table.tsx";
import { AttemptDialog } from "./attempt-dialog.tsx";
import { ATTEMPT_STATES } from "./attempt-states.ts";
import type { SinkPart } from "./sink-details.tsx";

const REFRESH_MS = 3_000;

const WANTED = {
  all: [],
  failed: [State.HELD, State.RETRYING, State.SPLIT, State.STOPPED],
  delivered: [State.DELIVERED, State.STAGED],
} as const;
type Wanted = keyof typeof WANTED;

const CHOICES: readonly (readonly [Wanted, string])[] = [
  ["all", "All attempts"],
  ["failed", "Those that failed"],
  ["delivered", "Those that delivered"],
];

/** The part "Deliveries". */
export default function Deliveries({ sink: { name } }: SinkPart) {
  const [wanted, setWanted] = useState<Wanted>("all");
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const [opened, setOpened] = useState<Attempt>();
  const startTime = timestampOf(from);
  const endTime = timestampOf(until);
  const query = useInfiniteQuery(
    DeliveryService.method.listAttempts,
    {
      parent: name,
      pageToken: "",
      states: [...WANTED[wanted]],
      ...(startTime && { startTime }),
      ...(endTime && { endTime }),
    },
    {
      ...PAGES,
      refetchInterval: refreshEvery(REFRESH_MS),
    },
  );
  return (
    <section className="card stack" aria-labelledby="deliveries-title">
      <h2 id="deliveries-title">Deliveries</h2>
      <div className="row">
        <SelectField label="Show" value={wanted} choices={CHOICES} onChange={setWanted} />
        <TextField label="Since" optional type="datetime-local" value={from} onChange={setFrom} />
        <TextField label="Until" optional type="datetime-local" value={until} onChange={setUntil} />
      </div>
      <Loaded query={query}>
        {({ pages }) => (
          <AttemptTable
            attempts={pages.flatMap((page) => page.attempts)}
            dropped={pages[0]?.droppedCount ?? 0n}
            onOpen={setOpened}
            more={query}
          />
        )}
      </Loaded>
      <MoreButton query={query} />
      {opened && <AttemptDialog attempt={opened} onClose={() => setOpened(undefined)} />}
    </section>
  );
}

function AttemptTable(props: {
  readonly attempts: readonly Attempt[];
  readonly dropped: bigint;
  readonly onOpen: (attempt: Attempt) => void;
  readonly more: PagedQuery;
}) {
  const { attempts, dropped, onOpen } = props;
  return (
    <>
      {dropped > 0n && (
        <Note kind="warn">
          {dropped.toLocaleString()} attempts were made but not noted, because more came than could
          be written.
        </Note>
      )}
      {attempts.length === 0 ? (
        <p>No attempt yet, or none that was asked for. Attempts are noted within a second.</p>
      ) : (
        <VirtualTable
          label="Attempts, newest first"
          columns={[
            {
              title: "Began",
              cell: (row) => (
                <button
                  type="button"
                  className="link"
                  aria-haspopup="dialog"
                  onClick={() => onOpen(row)}
                >
                  <Time at={row.time} />
                </button>
              ),
            },
            { title: "State", cell: (row) => <AttemptBadge state={row.state} /> },
            { title: "Status", cell: (row) => row.statusCode || "" },
            { title: "Took", cell: (row) => duration(row.duration) },
            { title: "Records", cell: (row) => row.recordCount.toLocaleString() },
            { title: "Try", cell: (row) => row.number },
            { title: "Why", cell: (row) => row.message || (row.replay ? "replay" : "") },
          ]}
          rows={attempts}
          keyOf={(row) => row.name}
          more={props.more}
        />
      )}
    </>
  );
}

function AttemptBadge({ state }: { readonly state: State }) {
  const [text, kind] = ATTEMPT_STATES[state];
  return <span className={`badge ${kind}`}>{text}</span>;
}
