/** Calls of a running server, for commands: REST with a token for the id and secret of a file. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { StartError } from "../core/start-error.ts";

/** Calls one server. */
export interface ApiClient {
  /** Answers with the JSON body; fails with a StartError that says what the server said. */
  call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T>;
}

const CALL_TIMEOUT_MS = 60_000;
/** A server that starts again is waited for. */
const AWAY_MS = 60_000;

/** Reads TRIBUTARY_URL, CLIENT_ID and CLIENT_SECRET from a file such as demo.env, and gets a token. */
export async function openApiClient(file: string): Promise<ApiClient> {
  const lines = await readFile(file, "utf8").catch((cause: Error) => {
    throw new StartError(`the credentials cannot be read: ${cause.message}`, { cause });
  });
  const read = (name: string) => {
    const value = new RegExp(`^${name}=(\\S+)$`, "m").exec(lines)?.[1];
    if (!value) throw new StartError(`${file} has no line ${name}=…`);
    return value;
  };
  const url = read("TRIBUTARY_URL").replace(/\/$/, "");
  const login = Buffer.from(`${read("CLIENT_ID")}:${read("CLIENT_SECRET")}`).toString("base64");
  let token = "";
  let tokenEndMs = 0;
  const authorize = async () => {
    if (performance.now() < tokenEndMs) return token;
    const answer = await send(`${url}/oauth2/token`, {
      method: "POST",
      headers: { authorization: `Basic ${login}` },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    });
    const body = (await answer.json()) as { access_token?: string; expires_in?: number };
    if (!body.access_token) throw new StartError(`${url} gives no token for the id in ${file}`);
    token = body.access_token;
    tokenEndMs = performance.now() + (body.expires_in ?? 60) * 500;
    return token;
  };
  return {
    async call<T>(method: "GET" | "POST", path: string, body?: unknown) {
      const answer = await send(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await authorize()}`,
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new StartError(messageIn(text) || `${url} answers ${answer.status}`);
      return JSON.parse(text) as T;
    },
  };
}

async function send(url: string, init: RequestInit): Promise<Response> {
  const endMs = performance.now() + AWAY_MS;
  for (;;) {
    try {
      return await fetch(url, { ...init, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    } catch (cause) {
      if (performance.now() > endMs) throw new StartError(`${url} cannot be reached`, { cause });
      await delay(500);
    }
  }
}

function messageIn(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? "";
  } catch {
    return "";
  }
}
