/** One attempt: what was sent to the destination and what it answered. */
import { useQuery } from "@connectrpc/connect-query";
import type {
  Attempt,
  AttemptExchange,
  AttemptHeader,
} from "#gen/tributary/management/v1/attempt_pb.js";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import { indented } from "../../api/record-json.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { bytes, duration } from "../../parts/figures.ts";
import { Loaded, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { ATTEMPT_STATES } from "./attempt-states.ts";

const decoder = new TextDecoder();

/** The dialog. */
export function AttemptDialog(props: { readonly attempt: Attempt; readonly onClose: () => void }) {
  const query = useQuery(DeliveryService.method.getAttempt, { name: props.attempt.name });
  return (
    <Dialog title="Attempt" isWide onClose={props.onClose}>
      <Loaded query={query}>
        {({ attempt }) => attempt && <AttemptFacts attempt={attempt} />}
      </Loaded>
      <div className="actions">
        <button type="button" onClick={props.onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function AttemptFacts({ attempt }: { readonly attempt: Attempt }) {
  const facts: readonly (readonly [string, string | number])[] = [
    ["What came of it", ATTEMPT_STATES[attempt.state][0]],
    ["Took", duration(attempt.duration)],
    ["Records", attempt.recordCount],
    ["Filtered", attempt.filteredCount],
    ["Held", attempt.heldCount],
    ["Places", `${attempt.firstPlace} to ${attempt.lastPlace}`],
    ["Partition", attempt.partition],
    ["Request", `${attempt.requestId}, try ${attempt.number}`],
    ["Version of the sink", String(attempt.sinkVersion)],
  ];
  return (
    <div className="stack">
      {attempt.message && (
        <p className="fault">
          {attempt.message} {attempt.reason && `(${attempt.reason})`}
        </p>
      )}
      <dl>
        <dt>Began</dt>
        <dd>
          <Time at={attempt.time} />
        </dd>
        {facts.map(([title, value]) => (
          <div className="pair" key={title}>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {attempt.remade && (
        <Note>
          The request was not kept: it is made again from the log, the sink's version and the schema
          of now.
        </Note>
      )}
      {attempt.exchanges.length === 0 && <p>Nothing was kept of what was sent and answered.</p>}
      {attempt.exchanges.map((exchange, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an exchange is told from others by its place alone
        <Exchange key={at} exchange={exchange} />
      ))}
    </div>
  );
}

function Exchange({ exchange }: { readonly exchange: AttemptExchange }) {
  return (
    <section className="stack" aria-label="Request and answer">
      <h3>
        {exchange.method || "Request"} <code>{exchange.url}</code>
      </h3>
      <Message
        headers={exchange.requestHeaders}
        body={exchange.requestBody}
        size={exchange.requestBodySize}
      />
      <h3>Answer{exchange.statusCode ? `: ${exchange.statusCode}` : ""}</h3>
      <Message
        headers={exchange.responseHeaders}
        body={exchange.responseBody}
        size={exchange.responseBodySize}
      />
    </section>
  );
}

function Message(props: {
  readonly headers: readonly AttemptHeader[];
  readonly body: Uint8Array;
  readonly size: bigint;
}) {
  const { headers, body, size } = props;
  const isCut = BigInt(body.length) < size;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <pre tabIndex={0} className="code-block">
      <code>
        {headers.map(({ name, value }) => `${name}: ${value}\n`).join("")}
        {headers.length > 0 && "\n"}
        {indented(decoder.decode(body))}
        {isCut && `\n… of ${bytes(size)}`}
      </code>
    </pre>
  );
}
