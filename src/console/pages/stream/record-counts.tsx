/** Records that were read, counted by key and by partition. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { jsonOf } from "../../api/record-json.ts";
import { bytes } from "../../parts/figures.ts";
import { Note } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";
import { VirtualTable } from "../../parts/virtual-table.tsx";
import type { Tally } from "./tally.ts";

/** The keys, the one with the most records first. */
export function KeyTable(props: { readonly tally: Tally; readonly keyFields: readonly string[] }) {
  const { tally, keyFields } = props;
  if (keyFields.length === 0) {
    return <Note>This stream has no key fields: its records have no order among them.</Note>;
  }
  const rows = [...tally.keys.values()].sort((one, other) => other.count - one.count);
  return (
    <VirtualTable
      label={`${rows.length} keys among the records that were counted`}
      columns={[
        { title: "Key", cell: (row) => <code>{row.id}</code> },
        { title: "Records", cell: (row) => row.count.toLocaleString() },
        { title: "Partition", cell: (row) => row.partition },
        { title: "Last", cell: (row) => <Time at={row.last.arrivalTime} /> },
        { title: "Last record", cell: (row) => <code>{jsonOf(row.last)}</code> },
      ]}
      rows={rows}
      keyOf={(row) => row.id}
    />
  );
}

/** The partitions, those without a record too. */
export function PartitionTable(props: { readonly tally: Tally; readonly partitions: number }) {
  const { tally, partitions } = props;
  const rows = Array.from({ length: partitions }, (_none, at) => tally.partitions.get(String(at)));
  return (
    <PlainTable titles={["Partition", "Records", "Share", "Size", "Last place", "Last"]}>
      {rows.map((row, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the number of a partition is its identity
        <tr key={at}>
          <th scope="row">{at}</th>
          <td>{(row?.count ?? 0).toLocaleString()}</td>
          <td>{share(row?.count ?? 0, tally.count)}</td>
          <td>{bytes(BigInt(row?.size ?? 0))}</td>
          <td>{row && <code>{row.last.place}</code>}</td>
          <td>
            <LastTime at={row?.last.arrivalTime} />
          </td>
        </tr>
      ))}
    </PlainTable>
  );
}

function LastTime({ at }: { readonly at: Timestamp | undefined }) {
  return <Time at={at} none="none of those that were counted" />;
}

function share(count: number, all: number): string {
  return `${all === 0 ? 0 : Math.round((count / all) * 1_000) / 10} %`;
}
