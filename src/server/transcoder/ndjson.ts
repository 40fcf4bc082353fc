/** Server-streaming answers of the REST face: one JSON document per line. */
import type { ServerResponse } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import { pipe, transformSplitEnvelope, type UniversalHandler } from "@connectrpc/connect/protocol";
import {
  codeFromString,
  codeToHttpStatus,
  endStreamFlag,
} from "@connectrpc/connect/protocol-connect";
import { sendJson } from "../answer.ts";
import type { HttpResponse } from "../http-message.ts";

type UniversalAnswer = Awaited<ReturnType<UniversalHandler>>;

/** How Connect ends a stream. */
interface EndStream {
  readonly error?: { readonly code?: string };
  readonly metadata?: Readonly<Record<string, readonly string[]>>;
}

const INTERNAL_STATUS = 500;

/**
 * Sends Connect's stream of JSON messages as lines. An error before the first message becomes a plain
 * error answer; a later one the last line, `{"error":{…}}`, as the status is gone by then.
 */
export async function sendLines(
  answer: UniversalAnswer,
  response: HttpResponse,
  messageMaxBytes: number,
): Promise<void> {
  if (!answer.body) throw new Error(`stream answered ${answer.status} without a body`);
  for await (const { flags, data } of pipe(answer.body, transformSplitEnvelope(messageMaxBytes))) {
    if ((flags & endStreamFlag) === 0) {
      begin(response);
      await writeLine(response, data);
      continue;
    }
    const end = JSON.parse(Buffer.from(data).toString("utf8")) as EndStream;
    if (end.error && !response.headersSent) {
      sendRefusal(response, end);
      return;
    }
    begin(response);
    if (end.error) await writeLine(response, Buffer.from(JSON.stringify({ error: end.error })));
  }
  response.end();
}

function begin(response: HttpResponse): void {
  if (response.headersSent) return;
  response.statusCode = 200;
  response.setHeader("content-type", "application/x-ndjson");
  response.setHeader("cache-control", "no-store");
  response.setHeader("x-content-type-options", "nosniff");
}

function sendRefusal(response: HttpResponse, { error, metadata }: EndStream): void {
  const code: Code | undefined = error?.code ? codeFromString(error.code) : undefined;
  const headers = Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, values]) => [name, values.join(", ")]),
  );
  sendJson(response, {
    status: code ? codeToHttpStatus(code) : INTERNAL_STATUS,
    body: error as JsonValue,
    headers,
  });
}

/** Line breaks of a stored value stand between its tokens, as JSON escapes them within strings. */
function writeLine(response: HttpResponse, json: Uint8Array): Promise<void> {
  const line = `${Buffer.from(json)
    .toString("utf8")
    .replace(/[\r\n]/g, " ")}\n`;
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error("the caller went away"));
    response.once("close", onClose);
    const done = () => {
      response.off("close", onClose);
      resolve();
    };
    if ((response as ServerResponse).write(line)) done();
    else response.once("drain", done);
  });
}
