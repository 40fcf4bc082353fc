/** Boxes that tell something: a fault, a warning, an empty list, a wait. */
import type { ReactNode } from "react";
import { faultOf } from "../api/fault.ts";

/** What went wrong, read out at once. */
export function FaultNote({ error }: { readonly error: unknown }) {
  if (!error) return null;
  const { message, reason, fields } = faultOf(error);
  return (
    <div className="note bad" role="alert">
      <p>{message}</p>
      {fields.length > 1 && (
        <ul>
          {fields.map((each) => (
            <li key={each.field + each.description}>
              <code>{each.field}</code>: {each.description}
            </li>
          ))}
        </ul>
      )}
      {reason && <p className="quiet">{reason}</p>}
    </div>
  );
}

/** Something to know or to mind. */
export function Note(props: {
  readonly kind?: "info" | "warn" | "good";
  readonly children: ReactNode;
}) {
  return <div className={`note ${props.kind ?? "info"}`}>{props.children}</div>;
}

/** An empty list, with what to do. */
export function Empty(props: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

/** A wait for an answer. */
export function Loading({ what = "Loading" }: { readonly what?: string }) {
  return (
    <p className="quiet" role="status">
      {what}…
    </p>
  );
}

/** The three outcomes of a query: waits, failed, or what is made of its data. */
export function Loaded<T>(props: {
  readonly query: { readonly data: T | undefined; readonly error: unknown };
  readonly children: (data: T) => ReactNode;
}) {
  const { data, error } = props.query;
  if (data !== undefined) return props.children(data);
  return error ? <FaultNote error={error} /> : <Loading />;
}
