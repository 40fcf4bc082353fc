/** What became of every record of a sink, with proof that nothing is left out, and as a file. */
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import type { PartitionLedger, SinkLedger } from "#gen/tributary/management/v1/ledger_pb.js";
import { SinkCountsSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { timestampOf } from "../../api/local-time.ts";
import { TextField } from "../../parts/field.tsx";
import { whole } from "../../parts/figures.ts";
import { Loaded } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";
import { LedgerExport } from "./ledger-export.tsx";
import type { SinkPart } from "./sink-details.tsx";

const REFRESH_MS = 2_000;

/** From when to when; what is left out is the sink's start and now. */
export interface LedgerRange {
  readonly startTime?: Timestamp;
  readonly endTime?: Timestamp;
}

/** The part "Ledger". */
export default function Ledger({ sink: { name }, stream }: SinkPart) {
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  const startTime = timestampOf(since);
  const endTime = timestampOf(until);
  const range: LedgerRange = { ...(startTime && { startTime }), ...(endTime && { endTime }) };
  const query = useQuery(
    DeliveryService.method.getLedger,
    { name, ...range },
    { refetchInterval: endTime ? false : REFRESH_MS },
  );
  return (
    <>
      <section className="card stack" aria-labelledby="ledger-title">
        <h2 id="ledger-title">Ledger</h2>
        <p>
          Every record that was pushed for this sink is in exactly one line. Entries of the past are
          kept every 15 minutes, for 90 days: a range begins and ends at the one before.
        </p>
        <div className="row">
          <TextField
            label="Since"
            optional
            type="datetime-local"
            value={since}
            onChange={setSince}
          />
          <TextField
            label="Until"
            optional
            type="datetime-local"
            value={until}
            onChange={setUntil}
          />
        </div>
        <Loaded query={query}>{({ ledger }) => ledger && <Sum ledger={ledger} />}</Loaded>
        <LedgerExport sink={name} stream={stream.name} range={range} />
      </section>
      {(query.data?.ledger?.partitions.length ?? 0) > 0 && (
        <section className="card stack" aria-labelledby="ledger-partitions">
          <h2 id="ledger-partitions">By partition, up to its cursor</h2>
          <Partitions partitions={query.data?.ledger?.partitions ?? []} />
        </section>
      )}
    </>
  );
}

function Sum({ ledger }: { readonly ledger: SinkLedger }) {
  const counts = ledger.counts ?? create(SinkCountsSchema);
  const lines = [
    ["Delivered", counts.delivered, "The destination confirmed them."],
    ["Filtered", counts.filtered, "The filter left them out."],
    ["Held", counts.held, "They wait for replay or discard."],
    ["Discarded", counts.discarded, "They were held, then given up by somebody."],
    ["Expired", counts.expired, "Retention took them before they were settled."],
    ["Waiting", counts.pending, "They are not settled yet."],
  ] as const;
  return (
    <>
      <p>
        <Time at={ledger.startTime} none="The sink's start" /> to <Time at={ledger.endTime} />, from
        sequence {whole(ledger.startSequence)}; all up to sequence {whole(ledger.settledSequence)}{" "}
        is settled.
      </p>
      <PlainTable
        titles={["What became of them", "Records", "Meaning"]}
        foot={
          <tr>
            <th scope="row">Pushed</th>
            <td>{whole(counts.pushed)}</td>
            <td>
              {ledger.balanced ? (
                <span className="badge good">The sum of the lines above</span>
              ) : (
                <span className="badge bad">Not the sum of the lines above: a fault</span>
              )}
            </td>
          </tr>
        }
      >
        {lines.map(([title, count, text]) => (
          <tr key={title}>
            <th scope="row">{title}</th>
            <td>{whole(count)}</td>
            <td className="quiet">{text}</td>
          </tr>
        ))}
      </PlainTable>
    </>
  );
}

function Partitions({ partitions }: { readonly partitions: readonly PartitionLedger[] }) {
  const titles = ["Delivered", "Filtered", "Held", "Discarded", "Expired"];
  return (
    <PlainTable titles={["Partition", "Next place", ...titles, "Keys that wait"]}>
      {partitions.map((each) => (
        <tr key={`${each.generation}-${each.partition}`}>
          <th scope="row">{each.partition}</th>
          <td>
            <code>{each.nextPlace}</code>
          </td>
          <td>{whole(each.delivered)}</td>
          <td>{whole(each.filtered)}</td>
          <td>{whole(each.held)}</td>
          <td>{whole(each.discarded)}</td>
          <td>{whole(each.expired)}</td>
          <td>{each.parkedKeys}</td>
        </tr>
      ))}
    </PlainTable>
  );
}
