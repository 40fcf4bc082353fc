/** What a stream holds: its records, its keys, its partitions. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useMemo, useState } from "react";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import {
  RecordService,
  ListRecordsRequest_View as View,
} from "#gen/tributary/records/v1/record_service_pb.js";
import { readCurl } from "../../api/curl.ts";
import { faultOf } from "../../api/fault.ts";
import { addressOf, MAIN } from "../../api/log-place.ts";
import { PAGES } from "../../api/queries.ts";
import { jsonOf, keyOf } from "../../api/record-json.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { CheckField } from "../../parts/field.tsx";
import { Loaded } from "../../parts/note.tsx";
import { PartLinks } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import { type TableColumn, VirtualTable } from "../../parts/virtual-table.tsx";
import { ReadForm, type Reading, startOfList } from "./read-form.tsx";
import { KeyTable, PartitionTable } from "./record-counts.tsx";
import type { StreamPart } from "./stream.tsx";
import { type Tally, tallyOf } from "./tally.ts";
import { WholeLog } from "./whole-log.tsx";

const PAGE_SIZE = 500;
const FROM_FIRST: Reading = { start: { case: "first" }, key: "", filter: "", rateMax: 0 };

/** The part "Records". */
export default function Records({ stream, branch, id }: StreamPart) {
  const place = addressOf({ stream: stream.name, branch });
  const [reading, setReading] = useState(FROM_FIRST);
  const [isResolved, setResolved] = useState(false);
  const view = isResolved ? View.RESOLVED : View.LOG;
  const start = isResolved ? { case: undefined } : startOfList(reading.start);
  const { key, filter } = reading;
  const request = { stream: stream.name, branch, start, key, filter, view };
  const query = useInfiniteQuery(
    RecordService.method.listRecords,
    { ...request, pageSize: PAGE_SIZE, pageToken: "" },
    PAGES,
  );
  const curl = readCurl(`${location.origin}/v1/${stream.name}/records`, [
    ["branch", branch === MAIN ? "" : branch],
    ["key", key],
    ["filter", filter],
    ["pageSize", PAGE_SIZE],
    ...curlStart(reading),
  ]);
  return (
    <>
      <section className="card stack" aria-label="What to read">
        <ReadForm
          stream={stream}
          places={["first", "time", "sequence"]}
          reading={reading}
          onRead={setReading}
          fault={query.error ? faultOf(query.error).message : undefined}
        />
        {stream.schema?.changeDataCapture && (
          <CheckField
            label="Only the newest row of each key, as the changes add up to"
            checked={isResolved}
            onChange={setResolved}
          />
        )}
      </section>
      <PartLinks
        label="Ways to look at the records"
        current={`${place}/records${id ? `/${id}` : ""}`}
        parts={[
          ["Records", `${place}/records`],
          ["Keys", `${place}/records/keys`],
          ["Partitions", `${place}/records/partitions`],
        ]}
      />
      <Loaded query={query}>
        {({ pages }) => {
          const records = pages.flatMap((page) => page.records);
          return (
            <section className="card stack" aria-label="What was read">
              <ReadSoFar count={records.length} query={query} curl={curl} />
              {id === "keys" || id === "partitions" ? (
                <Counts
                  key={JSON.stringify(reading, bigintText) + view}
                  by={id}
                  stream={stream}
                  request={request}
                  records={records}
                />
              ) : (
                <VirtualTable
                  label="Records, oldest first"
                  columns={columnsFor(stream.keyFields)}
                  rows={records}
                  keyOf={(record) => record.id}
                />
              )}
            </section>
          );
        }}
      </Loaded>
    </>
  );
}

/** Of what was read, until the whole log is counted. */
function Counts(props: {
  readonly by: "keys" | "partitions";
  readonly stream: Stream;
  readonly request: Parameters<typeof WholeLog>[0]["request"];
  readonly records: readonly Record[];
}) {
  const { by, stream, request, records } = props;
  const { keyFields, partitions } = stream;
  const [counted, setCounted] = useState<Tally>();
  const read = useMemo(() => tallyOf(records, keyFields), [records, keyFields]);
  const tally = counted ?? read;
  return (
    <>
      <p>
        {counted
          ? "Of the records that were counted, from the first one on."
          : "Of the records above that were read; the log may hold more."}
      </p>
      <WholeLog request={request} keyFields={keyFields} onTally={setCounted} />
      {by === "keys" ? (
        <KeyTable tally={tally} keyFields={keyFields} />
      ) : (
        <PartitionTable tally={tally} partitions={partitions} />
      )}
    </>
  );
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function ReadSoFar(props: {
  readonly count: number;
  readonly query: {
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    fetchNextPage(): Promise<unknown>;
  };
  readonly curl: string;
}) {
  const { count, query, curl } = props;
  return (
    <div className="actions">
      <p role="status">
        {count.toLocaleString()} records read
        {query.hasNextPage ? "; there are more." : ": all there are."}
      </p>
      {query.hasNextPage && (
        <button
          type="button"
          disabled={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          Read {PAGE_SIZE} more
        </button>
      )}
      <CopyButton label="Copy as curl" what="a command that lists these records" text={curl} />
    </div>
  );
}

function columnsFor(keyFields: readonly string[]): TableColumn<Record>[] {
  const key = { title: "Key", cell: (record: Record) => <code>{keyOf(record, keyFields)}</code> };
  return [
    { title: "Place", cell: (record) => <code>{record.place}</code> },
    { title: "Arrived", cell: (record) => <Time at={record.arrivalTime} /> },
    { title: "Partition", cell: (record) => record.partition },
    ...(keyFields.length > 0 ? [key] : []),
    { title: "Record", cell: (record) => <code>{jsonOf(record)}</code> },
    { title: "Schema", cell: (record) => String(record.schemaVersion) },
    { title: "Way in", cell: (record) => record.source },
  ];
}

function curlStart({ start }: Reading): (readonly [string, string | bigint])[] {
  if (start.case === "time") return [["fromTime", start.value.toISOString()]];
  return start.case === "sequence" ? [["fromSequence", start.value]] : [];
}
