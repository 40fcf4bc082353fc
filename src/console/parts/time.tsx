/** Points in time, in the zone of the reader. */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { usePreference } from "../api/preferences.ts";

/** A time in the local zone, with UTC on hover; the other way round for whoever chose UTC. */
export function Time({
  at,
  none = "never",
}: {
  readonly at: Timestamp | undefined;
  readonly none?: string;
}) {
  const isUtc = usePreference("times") === "utc";
  if (!at) return <span className="quiet">{none}</span>;
  const date = timestampDate(at);
  const local = date.toLocaleString();
  const utc = date.toISOString();
  const shown = isUtc ? `${utc.slice(0, 19).replace("T", " ")} UTC` : local;
  return (
    <time dateTime={utc} title={isUtc ? `${local} (local)` : `${utc} (UTC)`}>
      {shown}
    </time>
  );
}
