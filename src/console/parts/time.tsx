/** Points in time, in the zone of the reader. */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

/** A time in the local zone, with UTC on hover. */
export function Time({
  at,
  none = "never",
}: {
  readonly at: Timestamp | undefined;
  readonly none?: string;
}) {
  if (!at) return <span className="quiet">{none}</span>;
  const date = timestampDate(at);
  return (
    <time dateTime={date.toISOString()} title={`${date.toISOString()} (UTC)`}>
      {date.toLocaleString()}
    </time>
  );
}
