import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { call } from "../support/api.ts";
import { findFaketime } from "../support/faults/faketime.ts";
import { size } from "../support/faults/figures.ts";
import { moreAcked } from "../support/faults/outage.ts";
import { expectWhole, openScene } from "../support/faults/scene.ts";
import { startServer, waitFor } from "../support/server.ts";

const STAY_MS = size(10_000, 120_000);
const JUMPS = ["+1h", "+0", "-1h", "+0"] as const;

test("N03, N05: the clock of server and Postgres jumping an hour ahead, back and behind loses, doubles and reorders nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-clock-"));
  const offset = join(folder, "offset");
  await writeFile(offset, "+0\n");
  const server = await startServer({
    env: {
      LD_PRELOAD: await findFaketime(),
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_CACHE_DURATION: "1",
      // Waits are by the monotonic clock, which no jump moves.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
  });
  try {
    // A token without an end: those of OAuth end by the clock, as they must.
    const { secret } = await call<{ secret: string }>(
      server,
      "management.v1.TokenService/CreateToken",
      {
        parent: "projects/demo",
        token: {
          kind: "SERVICE",
          role: "EDITOR",
          operations: ["api:use-streams-read", "api:use-streams-write"],
        },
      },
    );
    const serverTime = async () => {
      const answer = await fetch(`${server.url}/readyz`);
      return Date.parse(answer.headers.get("date") ?? "");
    };
    const scene = await openScene({
      target: server,
      databaseUrl: server.env.SINK_DATABASE_URL ?? "",
      load: { target: { url: server.url, token: async () => secret } },
    });
    const seenHours: number[] = [];
    try {
      for (const jump of JUMPS) {
        await waitFor(moreAcked(scene.load, 100), { timeoutMs: 60_000, what: `pushes (${jump})` });
        await writeFile(offset, `${jump}\n`);
        await sleep(STAY_MS);
        // + 0: a little behind is no negative zero.
        seenHours.push(Math.round((await serverTime()) / 3_600_000 - Date.now() / 3_600_000) + 0);
        await waitFor(moreAcked(scene.load, 100), { timeoutMs: 60_000, what: `pushes at ${jump}` });
      }
      const outcome = await scene.finish();
      // A signature carries the server's time: what was signed an hour off is refused by a strict receiver.
      const badSignatures = outcome.badSignatures.filter((fault) => !/timestamp/i.test(fault));
      const more = { seenHours: seenHours.join(" ") };
      expectWhole("clock", { ...outcome, badSignatures }, { faults: JUMPS.length, more });
      expect(seenHours).toEqual([1, 0, -1, 0]);
    } finally {
      await scene.close();
    }
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}, 900_000);
