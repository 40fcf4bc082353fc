/** Makes a real call that answers with many messages, and shows each as it comes. */
import type { DescMethod } from "@bufbuild/protobuf";
import { useEffect, useRef, useState } from "react";
import { callStream } from "../../api/connect-stream.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { CallFields } from "./call-fields.tsx";
import { callerOf, curlOf, skeletonOf } from "./call-request.ts";
import { httpForm } from "./services.ts";

/** Messages that are kept on the page. */
const KEPT = 500;

interface Line {
  readonly at: number;
  readonly json: string;
}

/** What has come so far. */
interface Answer {
  readonly status: number;
  readonly count: number;
  readonly lines: readonly Line[];
  readonly end: string;
}

const NOTHING: Answer = { status: 0, count: 0, lines: [], end: "" };

/** The form, a button that ends the call, and the messages, the newest first. */
export function FollowCall({ method }: { readonly method: DescMethod }) {
  const [body, setBody] = useState(() => JSON.stringify(skeletonOf(method.input), null, 2));
  const [token, setToken] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const calls = useRef(new AbortController());
  useEffect(() => {
    calls.current = new AbortController();
    return () => calls.current.abort();
  }, []);
  const path = `/${method.parent.typeName}/${method.name}`;
  const submit = useSubmit(async () => {
    calls.current = new AbortController();
    const { signal } = calls.current;
    try {
      await follow({ path, body, token, signal, onAnswer: setAnswer });
    } catch (error) {
      if (!signal.aborted) throw error;
      setAnswer((before) => before && { ...before, end: "ended here" });
    }
  });
  return (
    <section className="stack" aria-label="Try it">
      <Form
        submit={submit}
        label="Make the call"
        beside={
          <>
            {submit.isBusy && (
              <button type="button" onClick={() => calls.current.abort()}>
                End the call
              </button>
            )}
            {httpForm(method).startsWith("GET") || (
              <CopyButton label="Copy as curl" what="this call" text={curlOf(path, body)} />
            )}
          </>
        }
      >
        <CallFields body={body} onBody={setBody} token={token} onToken={setToken} />
      </Form>
      {answer && <Messages answer={answer} />}
    </section>
  );
}

function Messages({ answer: { status, count, lines, end } }: { readonly answer: Answer }) {
  return (
    <>
      <p role="status">
        <strong>{status}</strong>, {count.toLocaleString()} {count === 1 ? "message" : "messages"}
        {end ? `; ${end}` : "; the call is open"}
      </p>
      {lines.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
        <section className="window" tabIndex={0} aria-label="Messages, newest first">
          <ol reversed start={count}>
            {lines.map(({ at, json }) => (
              <li key={at}>
                <code>{json}</code>
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

async function follow(call: {
  readonly path: string;
  readonly body: string;
  readonly token: string;
  readonly signal: AbortSignal;
  readonly onAnswer: (answer: Answer) => void;
}): Promise<void> {
  const { path, body, token, signal, onAnswer } = call;
  let answer = NOTHING;
  const request = { path, body, signal, ...callerOf(token) };
  for await (const part of callStream(request)) {
    if (part.kind === "head") answer = { ...answer, status: part.status };
    else if (part.kind === "end") answer = { ...answer, end: endOf(part.json) };
    else {
      const line = { at: answer.count, json: part.json };
      const lines = [line, ...answer.lines].slice(0, KEPT);
      answer = { ...answer, count: answer.count + 1, lines };
    }
    onAnswer(answer);
  }
}

/** An end without an error is `{}`, or has trailers alone. */
function endOf(json: string): string {
  const error = /"(error|code)"/.test(json);
  return error ? `the call failed: ${json}` : "the call is over";
}
