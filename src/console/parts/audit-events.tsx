/** Who changed what, newest first. */
import type { AuditEvent } from "#gen/tributary/management/v1/audit_event_pb.js";
import { Time } from "./time.tsx";

/** A table of events; each opens to what was asked and what changed. */
export function AuditEvents({ events }: { readonly events: readonly AuditEvent[] }) {
  if (events.length === 0) return <p>Nothing has been changed yet.</p>;
  return (
    <div className="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What</th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.uid}>
              <td>
                <Time at={event.createTime} />
              </td>
              <td>
                {event.actor?.kind} <code>{event.actor?.id}</code>
                <br />
                <span className="quiet">{event.address}</span>
              </td>
              <td>
                {event.method.slice(event.method.lastIndexOf("/") + 1)}
                <br />
                <code>{event.resource}</code>
                <Change event={event} />
              </td>
              <td>
                {event.code || "ok"} {event.reason}
                {event.count > 1n && ` (${event.count} times)`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Change({ event }: { readonly event: AuditEvent }) {
  const parts = [
    ["Request", event.request],
    ["Before", event.before],
    ["After", event.after],
  ] as const;
  const given = parts.filter(([, value]) => value !== undefined);
  if (given.length === 0) return null;
  return (
    <details>
      <summary>Details</summary>
      {given.map(([title, value]) => (
        <div key={title}>
          <p>{title}</p>
          <code>{JSON.stringify(value ?? {}, null, 1)}</code>
        </div>
      ))}
    </details>
  );
}
