/** Counts the records of the whole log, page by page, as far as the reader wants. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useEffect, useRef, useState } from "react";
import {
  type ListRecordsRequestSchema,
  RecordService,
} from "#gen/tributary/records/v1/record_service_pb.js";
import { transport } from "../../api/transport.ts";
import { useSubmit } from "../../parts/form.tsx";
import { FaultNote } from "../../parts/note.tsx";
import { createCounter, type Tally } from "./tally.ts";

const records = createClient(RecordService, transport);
const PAGE_SIZE = 1_000;

type ListRequest = Omit<MessageInitShape<typeof ListRecordsRequestSchema>, "$typeName">;

/** Of all that `request` asks for; begins anew when it asks for something else. */
export function WholeLog(props: {
  readonly request: ListRequest;
  readonly keyFields: readonly string[];
  readonly onTally: (tally: Tally) => void;
}) {
  const { request, keyFields, onTally } = props;
  const ended = useRef(new AbortController());
  const [words, setWords] = useState("");
  useEffect(() => () => ended.current.abort(), []);
  const submit = useSubmit(async () => {
    ended.current = new AbortController();
    const { signal } = ended.current;
    const counter = createCounter(keyFields);
    let pageToken = "";
    do {
      const call = { ...request, pageSize: PAGE_SIZE, pageToken };
      const page = await records.listRecords(call);
      if (signal.aborted) break;
      counter.add(page.records);
      pageToken = page.nextPageToken;
      const tally = counter.tally();
      onTally({ ...tally });
      setWords(wordsOf(tally, pageToken === ""));
    } while (pageToken !== "");
  });
  return (
    <>
      <div className="actions">
        <p role="status">{words}</p>
        {submit.isBusy ? (
          <button type="button" onClick={() => ended.current.abort()}>
            Stop counting
          </button>
        ) : (
          <button type="button" onClick={() => void submit.run()}>
            Count the whole log
          </button>
        )}
      </div>
      <FaultNote error={submit.error} />
    </>
  );
}

function wordsOf({ count, ofOtherKeys }: Tally, isOver: boolean): string {
  const others =
    ofOtherKeys > 0 ? `; ${ofOtherKeys.toLocaleString()} of keys that are not listed any more` : "";
  const state = isOver ? "all that the log holds" : "so far";
  return `${count.toLocaleString()} records counted, ${state}${others}.`;
}
