/** Writes bytes of a streaming rpc straight to the Node response. */
import type { StraightAnswer } from "../core/straight-answer.ts";
import type { HttpRequest, HttpResponse } from "./http-message.ts";

/** Makes the straight answer of a call. */
export function createStraightAnswer(request: HttpRequest, response: HttpResponse): StraightAnswer {
  // Both responses are writable streams; their types only differ in what does not matter here.
  const stream = response as HttpResponse & NodeJS.WritableStream;
  let isClosed = false;
  let wake: (() => void) | undefined;
  const resume = () => {
    wake?.();
    wake = undefined;
  };
  response.on("drain", resume);
  response.once("close", () => {
    isClosed = true;
    resume();
  });
  return {
    isJson: /json/i.test(request.headers["content-type"] ?? ""),
    write: (bytes) => {
      if (isClosed || response.writableEnded || stream.write(bytes)) return undefined;
      return new Promise((resolve) => {
        wake = resolve;
      });
    },
  };
}
