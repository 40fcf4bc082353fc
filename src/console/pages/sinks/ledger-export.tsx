/** Ledgers as a file: of one sink, or of all sinks of the stream. */
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import {
  DeliveryService,
  ExportLedgersRequest_Format as Format,
} from "#gen/tributary/management/v1/delivery_service_pb.js";
import { transport } from "../../api/transport.ts";
import { DownloadButton } from "../../parts/download.tsx";
import { CheckField } from "../../parts/field.tsx";
import type { LedgerRange } from "./ledger.tsx";

const deliveries = createClient(DeliveryService, transport);

const FORMATS = [
  { format: Format.CSV, ending: "csv", label: "Export as CSV", type: "text/csv" },
  {
    ...{ format: Format.NDJSON, ending: "ndjson", label: "Export as lines of JSON" },
    type: "application/x-ndjson",
  },
] as const;

/** The buttons. */
export function LedgerExport(props: {
  readonly sink: string;
  readonly stream: string;
  readonly range: LedgerRange;
}) {
  const { sink, stream, range } = props;
  const [isAll, setAll] = useState(false);
  const read = async (format: Format) => {
    const text = await readLedgers(stream, format, range);
    return isAll ? text : linesOf(text, sink, format);
  };
  const id = sink.slice(sink.lastIndexOf("/") + 1);
  return (
    <div className="actions">
      {FORMATS.map(({ format, ending, label, type }) => (
        <DownloadButton
          key={ending}
          label={label}
          file={`ledger-${isAll ? "all" : id}.${ending}`}
          type={type}
          read={() => read(format)}
        />
      ))}
      <CheckField label="All sinks of the stream" checked={isAll} onChange={setAll} />
    </div>
  );
}

async function readLedgers(parent: string, format: Format, range: LedgerRange): Promise<string> {
  let text = "";
  let pageToken = "";
  do {
    const page = await deliveries.exportLedgers({ parent, format, pageToken, ...range });
    text += page.content;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return text;
}

/** The lines of one sink, and the line of names. A sink's name stands first and holds nothing to be quoted. */
function linesOf(text: string, sink: string, format: Format): string {
  const lines = text.split(/(?<=\n)/);
  if (format === Format.CSV) {
    return lines.filter((line, at) => at === 0 || line.startsWith(`${sink},`)).join("");
  }
  return lines.filter((line) => line.trim() && JSON.parse(line).sink === sink).join("");
}
