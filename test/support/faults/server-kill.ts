/** Kills the server with -9 under load, again and again, and judges what the table has. */
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "../../../src/embedded/free-port.ts";
import type { Verdict } from "../history.ts";
import { checkHistory } from "../history.ts";
import { type Load, startLoad } from "../load.ts";
import { type Receiver, startReceiver } from "../receiver.ts";
import { acceptedRows, openRig, settleTable } from "../rig.ts";
import { makeDataDir, removeData, startServer, type TestServer, waitFor } from "../server.ts";
import { moreAcked } from "./outage.ts";

/** What came of it. */
export interface ServerKillResult {
  readonly table: Verdict;
  readonly webhook: Verdict;
  /** Webhook request ids that came again with other records. */
  readonly changedRequests: readonly string[];
  readonly surprises: readonly string[];
  /** Milliseconds of each start on the killed server's data. */
  readonly startsMs: readonly number[];
  /** Webhook requests that came more than once. */
  readonly repeatedRequests: number;
}

/**
 * Kills `kills` times, 200 to 1,200 ms after the load runs again; embedded servers are orphaned each time.
 * `postgres` is added to the configuration of the Postgres sink.
 */
export async function killServerUnderLoad(
  kills: number,
  postgres: Record<string, unknown> = {},
): Promise<ServerKillResult> {
  const dataDir = makeDataDir();
  const port = await findFreePort();
  const receiver = await startReceiver();
  let server = await startServer({ dataDir, port });
  const startsMs: number[] = [];
  let load: Load | undefined;
  try {
    const rig = await openRig({
      target: server,
      databaseUrl: server.env.SINK_DATABASE_URL ?? "",
      receiver,
      postgres,
    });
    await rig.close();
    load = startLoad({ target: server, stream: rig.stream });
    for (let kill = 0; kill < kills; kill++) {
      await waitFor(moreAcked(load, 200), { timeoutMs: 30_000, what: "the load to run" });
      await sleep(200 + Math.random() * 1_000);
      await server.stop("SIGKILL");
      server = await startServer({ dataDir, port });
      startsMs.push(server.startMs);
    }
    await waitFor(moreAcked(load, 200), { timeoutMs: 30_000, what: "the load to run at the end" });
    await load.stop();
    const table = await settleTable(server.env.SINK_DATABASE_URL ?? "", load.history, {
      timeoutMs: 60_000,
    });
    const webhook = await settleWebhook(receiver, load);
    const repeats = repeatedRequests(receiver);
    return { table, webhook, surprises: load.surprises, startsMs, ...repeats };
  } finally {
    await load?.stop(0);
    await endServer(server, dataDir);
    await receiver.close();
  }
}

async function endServer(server: TestServer, dataDir: string): Promise<void> {
  await server.close();
  await removeData(dataDir);
}

/** Waits for the webhook to have what the writers were acknowledged. */
export async function settleWebhook(receiver: Receiver, load: Load): Promise<Verdict> {
  const judge = () => checkHistory(load.history, acceptedRows(receiver));
  await waitFor(() => judge().lost.length === 0, { timeoutMs: 60_000, everyMs: 250 }).catch(
    () => undefined,
  );
  return judge();
}

/** Requests that came again, and those that changed under the same id. */
export function repeatedRequests(receiver: Receiver): {
  repeatedRequests: number;
  changedRequests: string[];
} {
  const texts = new Map<string, string>();
  const changedRequests: string[] = [];
  let repeated = 0;
  for (const { id, text } of receiver.requests) {
    const before = texts.get(id);
    texts.set(id, text);
    if (before === undefined) continue;
    repeated += 1;
    if (before !== text) changedRequests.push(id);
  }
  return { repeatedRequests: repeated, changedRequests };
}
