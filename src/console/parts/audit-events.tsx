/** Who changed what, newest first. */
import { useState } from "react";
import type { AuditEvent } from "#gen/tributary/management/v1/audit_event_pb.js";
import { Dialog } from "./dialog.tsx";
import type { PagedQuery } from "./more.tsx";
import { Time } from "./time.tsx";
import { type TableColumn, VirtualTable } from "./virtual-table.tsx";

/** A table of events; each opens to what was asked and what changed. */
export function AuditEvents(props: {
  readonly events: readonly AuditEvent[];
  readonly more: PagedQuery;
}) {
  const { events } = props;
  const [opened, setOpened] = useState<AuditEvent>();
  if (events.length === 0) return <p>Nothing has been changed yet.</p>;
  const what: TableColumn<AuditEvent> = {
    title: "What",
    cell: (event) => (
      <button
        type="button"
        className="link"
        aria-haspopup="dialog"
        onClick={() => setOpened(event)}
      >
        {nameOf(event)}
      </button>
    ),
  };
  const columns = COLUMNS.toSpliced(1, 0, what);
  return (
    <>
      <VirtualTable
        label="Audit events, newest first"
        columns={columns}
        rows={events}
        keyOf={({ uid }) => uid}
        more={props.more}
      />
      {opened && <EventDialog event={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}

const COLUMNS: readonly TableColumn<AuditEvent>[] = [
  { title: "When", cell: ({ createTime }) => <Time at={createTime} /> },
  { title: "On", cell: ({ resource }) => <code title={resource}>{resource}</code> },
  { title: "Who", cell: whoOf },
  { title: "Outcome", cell: outcomeOf },
];

function EventDialog(props: { readonly event: AuditEvent; readonly onClose: () => void }) {
  const { event } = props;
  const values = [
    ["Request", event.request],
    ["Before", event.before],
    ["After", event.after],
  ] as const;
  return (
    <Dialog title={nameOf(event)} isWide onClose={props.onClose}>
      <dl>
        <dt>When</dt>
        <dd>
          <Time at={event.createTime} />
        </dd>
        <dt>Who</dt>
        <dd>
          {whoOf(event)} {event.address && `from ${event.address}`}
        </dd>
        <dt>On</dt>
        <dd>{event.resource}</dd>
        <dt>Outcome</dt>
        <dd>{outcomeOf(event)}</dd>
      </dl>
      {values.map(
        ([title, value]) =>
          value !== undefined && (
            <section className="stack" key={title} aria-label={title}>
              <h3>{title}</h3>
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
              <pre className="code-block" tabIndex={0}>
                {JSON.stringify(value, null, 2)}
              </pre>
            </section>
          ),
      )}
      <div className="actions">
        <button type="button" onClick={props.onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function nameOf({ method }: AuditEvent): string {
  return method.slice(method.lastIndexOf("/") + 1);
}

function whoOf({ actor }: AuditEvent): string {
  return `${actor?.kind ?? ""} ${actor?.id ?? ""}`.trim();
}

function outcomeOf({ code, reason, count }: AuditEvent): string {
  const times = count > 1n ? ` (${count} times)` : "";
  return `${code || "ok"} ${reason}`.trim() + times;
}
