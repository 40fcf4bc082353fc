/** What a stream holds: its records, its keys, its partitions. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import {
  RecordService,
  ListRecordsRequest_View as View,
} from "#gen/tributary/records/v1/record_service_pb.js";
import { readCurl } from "../../api/curl.ts";
import { faultOf } from "../../api/fault.ts";
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

const PAGE_SIZE = 500;
const FROM_FIRST: Reading = { start: { case: "first" }, key: "", filter: "", rateMax: 0 };

/** The part "Records". */
export default function Records({ stream, id }: StreamPart) {
  const [reading, setReading] = useState(FROM_FIRST);
  const [isResolved, setResolved] = useState(false);
  const view = isResolved ? View.RESOLVED : View.LOG;
  const start = isResolved ? { case: undefined } : startOfList(reading.start);
  const { key, filter } = reading;
  const query = useInfiniteQuery(
    RecordService.method.listRecords,
    { stream: stream.name, pageSize: PAGE_SIZE, pageToken: "", start, key, filter, view },
    { pageParamKey: "pageToken", getNextPageParam: (page) => page.nextPageToken || undefined },
  );
  const curl = readCurl(`${location.origin}/v1/${stream.name}/records`, [
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
        current={`/${stream.name}/records${id ? `/${id}` : ""}`}
        parts={[
          ["Records", `/${stream.name}/records`],
          ["Keys", `/${stream.name}/records/keys`],
          ["Partitions", `/${stream.name}/records/partitions`],
        ]}
      />
      <Loaded query={query}>
        {({ pages }) => {
          const records = pages.flatMap((page) => page.records);
          return (
            <section className="card stack" aria-label="What was read">
              <ReadSoFar count={records.length} query={query} curl={curl} />
              {id === "keys" ? (
                <KeyTable records={records} keyFields={stream.keyFields} />
              ) : id === "partitions" ? (
                <PartitionTable records={records} partitions={stream.partitions} />
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
