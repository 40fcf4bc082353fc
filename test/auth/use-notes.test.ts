import { expect, test } from "vitest";
import { createUseNotes } from "../../src/auth/use-notes.ts";
import { silent } from "./support/auth-server.ts";

test("the last use of each application is saved once per flush, and at the close", async () => {
  let nowMs = 1_000;
  const saved: [string, number][] = [];
  const notes = createUseNotes({
    save: async (clientId, time) => void saved.push([clientId, time.getTime()]),
    logger: silent,
    now: () => nowMs,
  });
  notes.note("a");
  nowMs = 2_000;
  notes.note("a");
  notes.note("b");
  await notes.flush();
  notes.note("b");
  await notes.close();
  expect(saved).toEqual([
    ["a", 2_000],
    ["b", 2_000],
    ["b", 2_000],
  ]);
});

test("a database that is away is nobody's error", async () => {
  const notes = createUseNotes({
    save: () => Promise.reject(new Error("away")),
    logger: silent,
  });
  notes.note("a");
  await notes.close();
});
