/** How long pushes and deliveries take to work again once a killed leader has its heir. */
import { waitFor } from "../server.ts";
import { connect, countRows } from "../table.ts";
import type { Scene } from "./scene.ts";

/** The waits after one fault, in milliseconds from the moment that every stream was led again. */
export interface Recovery {
  /** From the kill to that moment: the election of nats-server itself. */
  readonly electionMs: number;
  /** To the first push that is answered OK. */
  readonly pushMs: number;
  /** To the next request that a webhook gets. */
  readonly deliveryMs: number;
  /** Until both sinks have all that was acknowledged when it was led again. */
  readonly wholeMs: number;
}

/** Measures one of them; `ledAtMs` and `killedAtMs` are in `performance.now()` terms. */
export async function measureRecovery(
  scene: Scene,
  at: { readonly killedAtMs: number; readonly ledAtMs: number; readonly databaseUrl: string },
): Promise<Recovery> {
  const { load, receiver } = scene;
  const { ledAtMs } = at;
  const acked = load.history.count("ok");
  const sql = connect(at.databaseUrl);
  const firstOk = () => load.attempts.find(({ status, atMs }) => status === 200 && atMs >= ledAtMs);
  const firstRequest = () => receiver.requests.find(({ atMs }) => atMs >= ledAtMs);
  const received = () => {
    // A request that comes again counts once.
    const sizes = new Map(receiver.requests.map(({ id, records }) => [id, records.length]));
    return [...sizes.values()].reduce((sum, count) => sum + count, 0);
  };
  try {
    const patience = { timeoutMs: 60_000, everyMs: 20 };
    await waitFor(firstOk, { ...patience, what: "a push after the election" });
    await waitFor(firstRequest, { ...patience, what: "a delivery after the election" });
    await waitFor(async () => received() >= acked && (await countRows(sql, "load")) >= acked, {
      ...patience,
      what: "the sinks to have what was acknowledged before the election",
    });
    return {
      electionMs: ledAtMs - at.killedAtMs,
      pushMs: firstOk()!.atMs - ledAtMs,
      deliveryMs: firstRequest()!.atMs - ledAtMs,
      wholeMs: performance.now() - ledAtMs,
    };
  } finally {
    await sql.end({ timeout: 2 });
  }
}
