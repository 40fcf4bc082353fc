/** Rows that a sink has staged: how full each condition is, and the rows as a file. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Sink, StagingStatus } from "#gen/tributary/management/v1/sink_pb.js";
import { bytes, duration, whole } from "../../parts/figures.ts";
import { ActionButton } from "../../parts/form.tsx";
import { Time } from "../../parts/time.tsx";
import { sinks } from "./sink-kinds.ts";

/** The card; nothing for sinks that stage nothing. */
export function Staging({ sink }: { readonly sink: Sink }) {
  const staging = sink.status?.staging;
  if (!staging) return null;
  return (
    <section className="card stack" aria-labelledby="staging-title">
      <h2 id="staging-title">Staged rows</h2>
      <p>They are imported as soon as one of these is full.</p>
      <Conditions staging={staging} />
      <dl>
        <dt>Last import</dt>
        <dd>
          <Time at={staging.importTime} />{" "}
          {staging.importTime && `${whole(staging.importRows)} rows`}
        </dd>
        {staging.expireTime && (
          <>
            <dt>The oldest row expires</dt>
            <dd>
              <Time at={staging.expireTime} />
            </dd>
          </>
        )}
        <dt>Expired before an import</dt>
        <dd>{whole(staging.expiredRows)}</dd>
      </dl>
      {staging.rows > 0n && <Download sink={sink} />}
    </section>
  );
}

function Conditions({ staging }: { readonly staging: StagingStatus }) {
  const { rows, rowsLimit, bytes: size, bytesLimit, age, ageLimit } = staging;
  return (
    <dl>
      <Condition
        title="Rows"
        part={rows}
        whole={rowsLimit}
        text={`${whole(rows)} of ${whole(rowsLimit)}`}
      />
      <Condition
        title="Size"
        part={size}
        whole={bytesLimit}
        text={`${bytes(size)} of ${bytes(bytesLimit)}`}
      />
      <Condition
        title="Age"
        part={age?.seconds ?? 0n}
        whole={ageLimit?.seconds ?? 1n}
        text={`${duration(age) || "no row"} of ${duration(ageLimit)}`}
      />
    </dl>
  );
}

function Condition(props: {
  readonly title: string;
  readonly part: bigint;
  readonly whole: bigint;
  readonly text: string;
}) {
  return (
    <>
      <dt>{props.title}</dt>
      <dd>
        <meter
          aria-label={props.title}
          value={Math.min(Number(props.part), Number(props.whole))}
          max={Number(props.whole)}
        />{" "}
        {props.text}
      </dd>
    </>
  );
}

/** Gathers the pages of the rows into one file. */
function Download({ sink: { name } }: { readonly sink: Sink }) {
  const queries = useQueryClient();
  const [file, setFile] = useState("");
  const read = async () => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let pageToken = "";
    do {
      const page = await sinks.readStagedCsv({ name, pageToken });
      parts.push(page.csv as Uint8Array<ArrayBuffer>);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    if (file) URL.revokeObjectURL(file);
    setFile(URL.createObjectURL(new Blob(parts, { type: "text/csv" })));
    await queries.invalidateQueries();
  };
  return (
    <div className="actions">
      <ActionButton label="Read the staged rows" call={read} />
      {file && (
        <a href={file} download={`${name.slice(name.lastIndexOf("/") + 1)}.csv`}>
          Save them as CSV
        </a>
      )}
    </div>
  );
}
