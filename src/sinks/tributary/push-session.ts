/**
 * The HTTP/2 connection of a PushStream: opened by the first stream and again by the first one after it
 * ended. Connect's own manager stops listening to a connection that fails, and what that says later would
 * be an exception outside of everything.
 */
import {
  type ClientHttp2Session,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import type { LookupFunction } from "node:net";
import type { Http2SessionManager } from "@connectrpc/connect-node";

/** A connection that streams share. */
export interface PushSession
  extends Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead"> {
  /** Ends it with all its streams; the next stream opens another. */
  abort(): void;
}

/** How it is opened. */
export type PushSessionOptions = SecureClientSessionOptions & { readonly lookup: LookupFunction };

/** Makes it; nothing is connected before the first stream. */
export function createPushSession(authority: string, options: PushSessionOptions): PushSession {
  let current: Promise<ClientHttp2Session> | undefined;
  const open = () => {
    const opening = connectTo(authority, options, () => {
      if (current === opening) current = undefined;
    });
    current = opening;
    return opening;
  };
  return {
    authority,
    async request(method, path, headers: OutgoingHttpHeaders, streamOptions) {
      const session = await (current ?? open());
      return session.request({ ...headers, ":method": method, ":path": path }, streamOptions);
    },
    notifyResponseByteRead: () => undefined,
    abort() {
      const ending = current;
      current = undefined;
      ending?.then((session) => session.destroy()).catch(() => undefined);
    },
  };
}

function connectTo(
  authority: string,
  options: PushSessionOptions,
  onEnd: () => void,
): Promise<ClientHttp2Session> {
  const session = connect(authority, options);
  return new Promise((resolve, reject) => {
    session.once("connect", () => resolve(session));
    // For as long as it lives: the streams tell what became of them.
    session.on("error", (error) => {
      onEnd();
      reject(error);
    });
    session.on("goaway", onEnd);
    session.on("close", () => {
      onEnd();
      reject(new Error("the connection was closed"));
    });
  });
}
