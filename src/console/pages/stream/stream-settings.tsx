/** Everything of a stream that can be changed beside its fields, and its end. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { type Stream, StreamSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import type { StreamPart } from "./stream.tsx";
import { streams } from "./stream-draft.ts";

const CHANGED = [
  "display_name",
  "description",
  "schema_mode",
  "throughput",
  "key_fields",
  "retention",
  "notify_emails",
  "archive",
];

/** The part "Settings". */
export default function StreamSettings({ stream }: StreamPart) {
  return <SettingsForm stream={stream} key={stream.etag} />;
}

function SettingsForm({ stream }: { readonly stream: Stream }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [input, setInput] = useState(() => toJson(StreamSchema, stream) as JsonObject);
  const { name, etag } = stream;
  const submit = useSubmit(async () => {
    const changed = fromJson(StreamSchema, typedJson(StreamSchema, input));
    await streams.updateStream({
      stream: { ...changed, name, etag },
      updateMask: { paths: CHANGED },
    });
    await queries.invalidateQueries();
  });
  return (
    <section className="card stack" aria-labelledby="settings-title">
      <h2 id="settings-title">Settings of the stream</h2>
      <Form
        submit={submit}
        label="Save"
        beside={
          <ConfirmButton
            label="Delete the stream"
            title={`Delete ${stream.displayName || name}?`}
            text="Its records, sources and sinks go with it. Destinations keep what they have. It can be brought back within 7 days, from the project's page Deleted."
            confirm="Delete the whole stream"
            call={async () => {
              await streams.deleteStream({ name, etag });
              await queries.invalidateQueries();
              navigate(`/${name.slice(0, name.indexOf("/streams/"))}`);
            }}
          />
        }
      >
        <MessageForm
          desc={StreamSchema}
          only={CHANGED}
          value={input}
          onChange={setInput}
          path="stream"
          faults={submit.faults}
        />
      </Form>
    </section>
  );
}
