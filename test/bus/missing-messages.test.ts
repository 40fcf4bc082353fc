import { expect, test } from "vitest";
import { createBus } from "../../src/bus/index.ts";
import type { MissingReport } from "../../src/bus/missing-messages.ts";
import { flipBit } from "../support/faults/bit-flip.ts";
import { startTestNats } from "../support/nats.ts";
import { createTestLogger } from "../support/test-logger.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, logUid, part, quiet } from "./support.ts";

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`a flipped bit in a stored block is told in the server's log (nats-server ended by ${signal})`, async () => {
    const nats = await startTestNats();
    const first = await createBus({ url: nats.url, shards: 1, logger: quiet });
    for (let i = 0; i < 40; i++) {
      await first.writer.append(call([part(0, `${i} ${"x".repeat(500)}`)]));
    }
    await first.close();
    await nats.kill(signal);
    await flipBit(nats.storeDir);
    await nats.restart();
    const { logger, lines } = createTestLogger();
    const bus = await createBus({ url: nats.url, shards: 1, logger });
    const reports: MissingReport[] = [];
    const keeper = bus.startRetention({
      ...{ shard: 0, limitsOf: () => undefined },
      onMissing: (report) => reports.push(report),
    });
    await waitFor(() => lines.some((line) => line.includes("stored records are missing")));
    await waitFor(() => reports.length > 0);
    expect(reports[0]!.lastSequence).toBeGreaterThan(0);
    const batches = reports[0]!.batchesByLog.get(logUid("a")) ?? 0;
    expect(batches + reports[0]!.lostBytes).toBeGreaterThan(0);
    // What is left is accounted for.
    await waitFor(() => keeper.accountOf(logUid("a")));
    expect(keeper.accountOf(logUid("a"))!.messages).toBeGreaterThan(10);
    await keeper.close();
    await bus.close();
    await nats.close();
  }, 60_000);
}
