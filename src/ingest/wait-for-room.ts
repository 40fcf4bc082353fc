/** Room for a call, waited for as long as its caller is there. */
import type { EventEmitter } from "node:events";
import { fail } from "../core/errors.ts";
import type { Admission, AdmittedBytes } from "./admission.ts";

/** What tells that a caller has gone. */
type Closing = Pick<EventEmitter, "once" | "off"> | ClosingOf;
interface ClosingOf {
  once(event: "close", listener: () => void): unknown;
  off(event: "close", listener: () => void): unknown;
}

/** As `Admission.admit`; ends with INVALID_BODY when the response closes before there is room. */
export async function waitForRoom(
  admission: Admission,
  response: Closing,
  call: { readonly projectUid: string; readonly bytes: number },
): Promise<AdmittedBytes> {
  const gone = new AbortController();
  const onClose = () => gone.abort(fail("INVALID_BODY", "the caller has gone"));
  response.once("close", onClose);
  try {
    return await admission.admit(call.projectUid, call.bytes, gone.signal);
  } finally {
    response.off("close", onClose);
  }
}
