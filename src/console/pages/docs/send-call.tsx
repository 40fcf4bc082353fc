/** Sends a real call in Connect's JSON form and shows the answer as it came. */
import type { DescMethod } from "@bufbuild/protobuf";
import { useState } from "react";
import { indented } from "../../api/record-json.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { CallFields } from "./call-fields.tsx";
import { callerOf, curlOf, skeletonOf } from "./call-request.ts";

const TIMEOUT_MS = 60_000;

interface Answer {
  readonly status: number;
  readonly ms: number;
  readonly headers: string;
  readonly body: string;
}

/** The form. The token stays in this component: leaving the page forgets it. */
export function SendCall({ method }: { readonly method: DescMethod }) {
  const [body, setBody] = useState(() => JSON.stringify(skeletonOf(method.input), null, 2));
  const [token, setToken] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const path = `/${method.parent.typeName}/${method.name}`;
  const submit = useSubmit(async () => {
    setAnswer(undefined);
    setAnswer(await send(path, body, token));
  });
  return (
    <section className="stack" aria-label="Try it">
      <Form
        submit={submit}
        label="Send the call"
        beside={<CopyButton label="Copy as curl" what="this call" text={curlOf(path, body)} />}
      >
        <CallFields body={body} onBody={setBody} token={token} onToken={setToken} />
      </Form>
      <div role="status">
        {answer && (
          <>
            <p>
              <strong>{answer.status}</strong> after {answer.ms} ms
            </p>
            <details>
              <summary>Headers of the answer</summary>
              <pre>
                <code>{answer.headers}</code>
              </pre>
            </details>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
            <pre tabIndex={0} className="code-block">
              <code>{indented(answer.body)}</code>
            </pre>
          </>
        )}
      </div>
    </section>
  );
}

async function send(path: string, body: string, token: string): Promise<Answer> {
  const started = performance.now();
  const { credentials, headers } = callerOf(token);
  const answer = await fetch(path, {
    method: "POST",
    credentials,
    headers: { "content-type": "application/json", ...headers },
    body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    ms: Math.round(performance.now() - started),
    headers: [...answer.headers].map(([name, value]) => `${name}: ${value}\n`).join(""),
    body: text,
  };
}
