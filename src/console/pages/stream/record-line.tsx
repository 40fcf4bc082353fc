/** A record in one line that opens. */
import { Link } from "wouter";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import { pushCurl } from "../../api/curl.ts";
import type { LogPlace } from "../../api/log-place.ts";
import { indented, jsonOf } from "../../api/record-json.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { Time } from "../../parts/time.tsx";

/** The line; open, it shows the record for reading and where it stands. */
export function RecordLine(props: {
  readonly record: Record;
  readonly place: LogPlace;
  readonly isOpen: boolean;
  readonly onOpen: (isOpen: boolean) => void;
}) {
  const { record, isOpen, onOpen, place } = props;
  const json = jsonOf(record);
  return (
    <details open={isOpen} onToggle={(event) => onOpen(event.currentTarget.open)}>
      <summary>
        <code>{json}</code>
      </summary>
      {isOpen && (
        <div className="stack">
          <pre>
            <code>{indented(json)}</code>
          </pre>
          <div className="actions">
            <Link href={`/${place.stream}/trace/${record.id}`}>Trace it</Link>
            <CopyButton text={json} what="the record" />
            <CopyButton
              text={pushCurl(location.origin, place, json)}
              label="Copy as curl"
              what="a command that pushes this record again"
            />
          </div>
          <dl>
            <dt>Id</dt>
            <dd>
              <code>{record.id}</code>
            </dd>
            <dt>Place</dt>
            <dd>
              {record.place}, partition {record.partition}
            </dd>
            <dt>Arrived</dt>
            <dd>
              <Time at={record.arrivalTime} /> by {record.source}
            </dd>
          </dl>
        </div>
      )}
    </details>
  );
}
