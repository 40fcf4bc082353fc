/** Sends a real call in Connect's JSON form and shows the answer as it came. */
import type { DescMessage, DescMethod, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { useState } from "react";
import { shell } from "../../api/curl.ts";
import { indented } from "../../api/record-json.ts";
import { csrfHeader } from "../../api/transport.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { TextArea, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { isOutputOnly } from "../../parts/message-words.ts";

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
        <TextArea
          label="Request"
          hint="JSON. Fields that are left out have their defaults."
          isCode
          rows={8}
          value={body}
          onChange={setBody}
        />
        <TextField
          label="Access token"
          optional
          type="password"
          hint="Without one the call is made in your session."
          value={token}
          onChange={setToken}
        />
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
  const authorization =
    token.trim() === "" ? csrfHeader() : { authorization: `Bearer ${token.trim()}` };
  const answer = await fetch(path, {
    method: "POST",
    // With a token the session stays out of it.
    credentials: token.trim() === "" ? "same-origin" : "omit",
    headers: { "content-type": "application/json", ...authorization },
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

function curlOf(path: string, body: string): string {
  return `curl ${shell(`${location.origin}${path}`)} \\
  -H "Authorization: Bearer $ACCESS_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d ${shell(body)}
`;
}

/** The fields that say which resource is meant, and messages one level deep. */
function skeletonOf(desc: DescMessage, depth = 0): JsonObject {
  const result: JsonObject = {};
  for (const field of desc.fields) {
    const isTop = depth === 0 || /^(name|display_name)$/.test(field.name);
    if (field.oneof || !isTop || (depth > 0 && isOutputOnly(field) && field.name !== "name"))
      continue;
    const value = emptyOf(field, depth);
    if (value !== undefined) result[field.jsonName] = value;
  }
  return result;
}

function emptyOf(field: DescMessage["fields"][number], depth: number): JsonValue | undefined {
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
    return /page_token|etag/.test(field.name) ? undefined : "";
  }
  if (field.fieldKind === "list" && depth === 0) return [];
  if (field.fieldKind !== "message" || depth > 0) return undefined;
  if (!field.message.typeName.startsWith("tributary.")) return undefined;
  return skeletonOf(field.message, depth + 1);
}
