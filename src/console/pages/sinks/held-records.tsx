/** Records that could not be delivered, and the keys that wait for them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import { Link } from "wouter";
import {
  type HeldRecord,
  type HeldReplay,
  Sink_RecordFailure,
} from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { SelectField } from "../../parts/field.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton, refreshEvery } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { VirtualList } from "../../parts/virtual-list.tsx";
import { type HeldCommands, useHeldCommands } from "./held-commands.ts";
import { HeldPreview, type HeldSelection } from "./held-preview.tsx";
import { ParkedKeys } from "./parked-keys.tsx";
import type { SinkPart } from "./sink-details.tsx";

const REFRESH_MS = 3_000;
/** Of a held record with one line of each, in pixels. */
const HELD_HEIGHT = 150;
const WHY = "Why, for the audit log";
const decoder = new TextDecoder();

/** The part "Held records". */
export default function HeldRecords({ sink, stream }: SinkPart) {
  const commands = useHeldCommands(sink.name);
  const [compared, setCompared] = useState<HeldSelection>();
  const parks =
    stream.keyFields.length > 0 && sink.onRecordFailure === Sink_RecordFailure.BLOCK_KEY;
  return (
    <>
      {parks && <ParkedKeys sink={sink.name} commands={commands} onCompare={setCompared} />}
      <HeldList sink={sink.name} commands={commands} onCompare={setCompared} />
      {compared && (
        <HeldPreview
          sink={sink.name}
          selection={compared}
          onClose={() => setCompared(undefined)}
          onReplay={async () => {
            await commands.replay(compared);
            setCompared(undefined);
          }}
        />
      )}
    </>
  );
}

interface ListProps {
  readonly sink: string;
  readonly commands: HeldCommands;
  readonly onCompare: (selection: HeldSelection) => void;
}

function HeldList({ sink, commands, onCompare }: ListProps) {
  const [reason, setReason] = useState("");
  const [reasons, setReasons] = useState<readonly string[]>([]);
  const query = useInfiniteQuery(
    SinkService.method.listHeldRecords,
    { parent: sink, pageToken: "", reason },
    {
      ...PAGES,
      refetchInterval: refreshEvery(REFRESH_MS),
    },
  );
  const held = query.data?.pages.flatMap((page) => page.heldRecords) ?? [];
  const seen = [...new Set([...reasons, ...held.map((each) => each.reason)])].sort();
  if (seen.length > reasons.length) setReasons(seen);
  return (
    <section className="card stack" aria-labelledby="held-title">
      <h2 id="held-title">Held records</h2>
      {seen.length > 0 && (
        <SelectField
          label="Held because of"
          value={reason}
          choices={[["", "Any reason"], ...seen.map((each) => [each, each] as const)]}
          onChange={setReason}
        />
      )}
      <Loaded query={query}>
        {() =>
          held.length === 0 ? (
            <p>None. A record that cannot be delivered waits here.</p>
          ) : (
            <>
              <AllCommands reason={reason} commands={commands} onCompare={onCompare} />
              <VirtualList
                label="Held records, newest first"
                items={held}
                keyOf={({ place }) => place}
                heightOfOne={HELD_HEIGHT}
                more={query}
              >
                {(record) => (
                  <div className="stack">
                    <HeldTile
                      sink={sink}
                      record={record}
                      commands={commands}
                      onCompare={onCompare}
                    />
                  </div>
                )}
              </VirtualList>
            </>
          )
        }
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function AllCommands(props: Omit<ListProps, "sink"> & { readonly reason: string }) {
  const { reason, commands, onCompare } = props;
  const selection = { places: [], reason };
  return (
    <div className="actions">
      <button type="button" aria-haspopup="dialog" onClick={() => onCompare(selection)}>
        Compare before replaying
      </button>
      <ActionButton label="Replay all" call={() => commands.replay(selection)} />
      <ConfirmButton
        label="Discard all"
        title="Discard all held records?"
        text={`Those that are held${reason ? ` because of ${reason}` : ""} are given up for this sink and counted as discarded. The stream keeps them.`}
        question={WHY}
        confirm="Discard them"
        call={(note) => commands.discard(selection, note)}
      />
    </div>
  );
}

function ReplayedBefore(props: { readonly sink: string; readonly replay: HeldReplay }) {
  const { count, requestId, firstReason, firstHoldTime } = props.replay;
  return (
    <>
      ; first held <Time at={firstHoldTime} /> ({firstReason}), and refused by{" "}
      {count === 1 ? "a replay" : `${count} replays`} since, the last time in{" "}
      <Link href={`/${props.sink}/deliveries`}>request {requestId}</Link>
    </>
  );
}

function HeldTile(props: ListProps & { readonly record: HeldRecord }) {
  const { sink, record, commands, onCompare } = props;
  const { place } = record;
  const selection = { places: [place], reason: "" };
  return (
    <>
      <p className="fault">{record.error}</p>
      <code>{decoder.decode(record.json)}</code>
      <p className="quiet">
        {record.reason}, place {place}, held <Time at={record.holdTime} />
        {record.replay && <ReplayedBefore sink={sink} replay={record.replay} />}
      </p>
      <div className="actions">
        <Link href={`/${sink.slice(0, sink.indexOf("/sinks/"))}/trace/${record.recordId}`}>
          Trace it
        </Link>
        <button type="button" aria-haspopup="dialog" onClick={() => onCompare(selection)}>
          Compare <span className="unseen">the record at {place}</span>
        </button>
        <ActionButton label="Replay" call={() => commands.replay(selection)} />
        <ConfirmButton
          label="Discard"
          name={`Discard the record at ${place}`}
          title="Discard this record?"
          text="It is given up for this sink and counted as discarded. The stream keeps it."
          question={WHY}
          confirm="Discard it"
          call={(note) => commands.discard(selection, note)}
        />
      </div>
    </>
  );
}
