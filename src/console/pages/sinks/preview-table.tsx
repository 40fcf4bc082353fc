/** What filter and mapping make of the newest records. */
import {
  PreviewedRow_Outcome as Outcome,
  type PreviewedRow,
  type PreviewSinkResponse,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { PlainTable } from "../../parts/plain-table.tsx";

/** One line a record: what came, and what would be sent. */
export function PreviewTable({ preview }: { readonly preview: PreviewSinkResponse }) {
  return (
    <div role="status">
      <p>
        {preview.records.length === 0
          ? "The stream holds no record yet to preview."
          : `${preview.changedCount} of ${preview.records.length} records would become another row than now.`}
      </p>
      {preview.records.length > 0 && (
        <PlainTable titles={["Record", "Row"]}>
          {preview.records.map((record) => (
            <tr key={record.place}>
              <td>
                <code>{record.json}</code>
              </td>
              <td>
                <PreviewedOutcome row={record.row} />
              </td>
            </tr>
          ))}
        </PlainTable>
      )}
    </div>
  );
}

/** What would happen to one record. */
export function PreviewedOutcome({ row }: { readonly row: PreviewedRow | undefined }) {
  if (row?.outcome === Outcome.FILTERED) return <span className="quiet">filtered</span>;
  if (row?.outcome === Outcome.REFUSED) return <span className="fault">refused: {row.error}</span>;
  if (row?.outcome === Outcome.HELD) return <span className="fault">held: {row.error}</span>;
  return <code>{row?.json}</code>;
}
