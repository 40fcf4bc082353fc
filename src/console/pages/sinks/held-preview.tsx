/** What a replay of held records would send, beside what failed. */
import { useQuery } from "@connectrpc/connect-query";
import type {
  PreviewedHeldRecord,
  PreviewHeldRecordsResponse,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { Dialog } from "../../parts/dialog.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { PreviewedOutcome } from "./preview-table.tsx";

const COUNT = 20;

/** What is looked at, and what is done with it. */
export interface HeldSelection {
  /** Places of the records; empty for all that are held for `reason`. */
  readonly places: string[];
  /** Empty for any. */
  readonly reason: string;
}

/** A dialog that compares, and from which the same records are replayed. */
export function HeldPreview(props: {
  readonly sink: string;
  readonly selection: HeldSelection;
  readonly onReplay: () => Promise<unknown>;
  readonly onClose: () => void;
}) {
  const { sink: name, selection, onReplay, onClose } = props;
  const query = useQuery(
    SinkService.method.previewHeldRecords,
    { name, ...selection, count: COUNT },
    { staleTime: 0 },
  );
  return (
    <Dialog title="What a replay would send" isWide onClose={onClose}>
      <Loaded query={query}>{(answer) => <Compared answer={answer} />}</Loaded>
      <div className="actions">
        <ActionButton
          label={selection.places.length > 0 ? "Replay it" : "Replay all of them"}
          className="primary"
          call={onReplay}
        />
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Compared({ answer }: { readonly answer: PreviewHeldRecordsResponse }) {
  const { records, sentCount, heldCount, changedCount } = answer;
  if (records.length === 0) return <p>None of these records is held any more.</p>;
  return (
    <>
      <Note kind={heldCount > 0 ? "warn" : "info"}>
        Of the {records.length === COUNT ? "newest " : ""}
        {records.length}, {sentCount} would be sent, {changedCount} otherwise than when they failed,
        and {heldCount} would be held again. The destination may still refuse them.
      </Note>
      <PlainTable titles={["Record", "What failed", "What would be sent now"]}>
        {records.map((each) => (
          <ComparedRow key={each.record?.place} compared={each} />
        ))}
      </PlainTable>
    </>
  );
}

function ComparedRow({ compared }: { readonly compared: PreviewedHeldRecord }) {
  const { record, input, before, after, changed, sinkVersion } = compared;
  return (
    <tr>
      <td>
        <code>{input}</code>
        <p className="quiet">place {record?.place}</p>
      </td>
      <td>
        {before ? <PreviewedOutcome row={before} /> : <span className="quiet">not kept</span>}
        <p className="quiet">version {String(record?.sinkVersion ?? 0n)}</p>
        <p className="fault">{record?.error}</p>
      </td>
      <td>
        {changed ? (
          <ins>
            <PreviewedOutcome row={after} />
          </ins>
        ) : (
          <PreviewedOutcome row={after} />
        )}
        <p className="quiet">
          version {String(sinkVersion)}, {changed ? "changed" : "the same"}
        </p>
      </td>
    </tr>
  );
}
