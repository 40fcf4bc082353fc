/** What goes wrong at this moment, where everybody looks first: above the parts of a project or stream. */
import { useQuery } from "@connectrpc/connect-query";
import { Link } from "wouter";
import { type Alert, Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import { AlertService } from "#gen/tributary/management/v1/alert_service_pb.js";
import { Time } from "./time.tsx";

const REFRESH_MS = 10_000;
const SHOWN_MAX = 5;

/** How each kind of alert is called, and how it is coloured. */
export const ALERT_KINDS: Readonly<{ [K in Kind]: readonly [string, string] }> = {
  [Kind.KIND_UNSPECIFIED]: ["Alert", ""],
  [Kind.HELD]: ["Holds records", "warn"],
  [Kind.ERROR]: ["Fails", "bad"],
  [Kind.RECOVERED]: ["Delivers again", "good"],
  [Kind.LOSS]: ["Will lose records", "bad"],
  [Kind.LAG]: ["Late", "warn"],
  [Kind.MISSING]: ["Records missing", "bad"],
  [Kind.ARCHIVE]: ["Archive fails", "bad"],
};

/** The open alerts of a project, or of one stream or sink of it, with their causes; nothing when all is well. */
export function OpenAlerts({
  project,
  resource = "",
}: {
  readonly project: string;
  readonly resource?: string;
}) {
  const alerts = useOpenAlerts(project, resource);
  if (alerts.length === 0) return null;
  const isBad = ({ kind }: Alert) => ALERT_KINDS[kind][1] === "bad";
  const isWorse = alerts.some(isBad);
  // The worst stands on every page, the others behind it: they are no reason to scroll past them all.
  const sorted = alerts.toSorted((a, b) => Number(isBad(b)) - Number(isBad(a)));
  const [first, more] = [sorted.slice(0, 1), sorted.slice(1, SHOWN_MAX)];
  return (
    <section className={`note ${isWorse ? "bad" : "warn"}`} aria-label="What goes wrong now">
      <AlertLines project={project} alerts={first} />
      {more.length > 0 && (
        <details>
          <summary>
            {alerts.length - 1} more <span className="unseen">that go wrong</span>
          </summary>
          <AlertLines project={project} alerts={more} />
          {alerts.length > SHOWN_MAX && <Link href={`/${project}/alerts`}>See all alerts</Link>}
        </details>
      )}
    </section>
  );
}

function AlertLines(props: { readonly project: string; readonly alerts: readonly Alert[] }) {
  const { project, alerts } = props;
  return (
    <ul className="stack plain">
      {alerts.map((alert) => (
        <li key={alert.name}>
          <span className={`badge ${ALERT_KINDS[alert.kind][1]}`}>
            {ALERT_KINDS[alert.kind][0]}
          </span>{" "}
          <Link href={`/${placeOf(alert)}`}>{subjectOf(alert).replace(`${project}/`, "")}</Link>{" "}
          {alert.message}{" "}
          <span className="quiet">
            since <Time at={alert.createTime} />
          </span>
        </li>
      ))}
    </ul>
  );
}

/** How many alerts of a project are open, as a badge; nothing when all is well. */
export function AlertCount({ project }: { readonly project: string }) {
  const { length } = useOpenAlerts(project, "");
  if (length === 0) return null;
  return <span className="badge bad">{length === 1 ? "1 alert" : `${length} alerts`}</span>;
}

function useOpenAlerts(parent: string, resource: string): readonly Alert[] {
  const query = useQuery(
    AlertService.method.listAlerts,
    { parent, resource, open: true },
    { refetchInterval: REFRESH_MS },
  );
  return query.data?.alerts ?? [];
}

/** Held records have a page of their own; other causes stand on the sink's first one. */
function placeOf(alert: Alert): string {
  return alert.kind === Kind.HELD ? `${alert.sink}/held` : subjectOf(alert);
}

/** Name of the sink or branch that an alert is of. */
export function subjectOf({ sink, branch }: Alert): string {
  return sink || branch;
}
