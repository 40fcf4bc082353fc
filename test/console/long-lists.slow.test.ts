import { beforeAll, expect, test } from "vitest";
import { ApiError } from "../support/api.ts";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { waitFor } from "../support/server.ts";

const STREAMS = 400;
const HELD = 1_500;
const AT_ONCE = 4;
/** Elements of a page whatever the length of its list; a row has about ten. */
const NODES_MAX = 1_200;

let rig: ConsoleRig;
let receiver: Receiver;

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig(), startReceiver()]);
  rig.page.setDefaultTimeout(30_000);
  receiver.mode = { kind: "refuse", isBad: () => true };
  await rig.ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: { displayName: "Hook", webhook: { url: receiver.url } },
  });
  const values = Array.from({ length: HELD }, (_none, i) => ({ sensor: `s${i % 50}`, value: i }));
  for (let at = 0; at < HELD; at += 500) await rig.push(...values.slice(at, at + 500));
  // Each stream that is made is an event of the audit log as well.
  const schema = { fields: [{ name: "a", type: "STRING" }] };
  let next = 0;
  const make = async () => {
    for (let at = next++; at < STREAMS; at = next++) {
      const stream = { displayName: `Stream ${at}`, schema };
      const request = { parent: FARM, streamId: `stream-${at}`, stream };
      const isMade = () =>
        rig.ada.call("StreamService/CreateStream", request).then(() => true, isBusyOrMade);
      await waitFor(isMade, { timeoutMs: 60_000, everyMs: 500, what: `stream ${at}` });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, make));
}, 300_000);
endConsole(() => [rig, receiver]);

/** A busy machine may refuse a call and have it done, so a stream that is there was made. */
function isBusyOrMade(error: unknown): boolean {
  if (error instanceof Error && error.name === "TimeoutError") return false;
  if (error instanceof ApiError && [409, 503].includes(error.status)) return error.status === 409;
  throw error;
}

/** Scrolls a list by the key End until a text is there; gives the most elements that the page ever had. */
async function readToTheEnd(list: string, last: string): Promise<number> {
  const { page } = rig;
  const box = page.getByRole("region", { name: list });
  await box.waitFor();
  let most = 0;
  await box.focus();
  await waitFor(
    async () => {
      await page.keyboard.press("End");
      const nodes = Number(await page.evaluate("document.querySelectorAll('*').length"));
      most = Math.max(most, nodes);
      return (await box.getByText(last, { exact: true }).count()) > 0;
    },
    { timeoutMs: 120_000, everyMs: 200, what: `the end of ${list}` },
  );
  return most;
}

test("hundreds of streams: the list reads on as it is scrolled, and holds only the rows that are seen", {
  timeout: 180_000,
}, async () => {
  await rig.open(`/${FARM}`);
  expect(await readToTheEnd("Streams, newest first", "Readings")).toBeLessThan(NODES_MAX);
});

test("hundreds of audit events: the same, and each opens", { timeout: 180_000 }, async () => {
  const { page, open } = rig;
  await open(`/${FARM}/audit`);
  const most = await readToTheEnd("Audit events, newest first", "CreateProject");
  expect(most).toBeLessThan(NODES_MAX);
  await page.getByRole("button", { name: "CreateProject" }).press("Enter");
  await page.getByRole("dialog").getByText("projects/farm").first().waitFor();
  await page.keyboard.press("Escape");
});

test("held records: the same", { timeout: 240_000 }, async () => {
  const { ada, open, page } = rig;
  await waitFor(
    async () => {
      const { sink } = await ada.call<{ sink: { status?: { counts?: { held?: string } } } }>(
        "SinkService/GetSink",
        { name: `${READINGS}/sinks/hook` },
      );
      return Number(sink.status?.counts?.held ?? 0) >= HELD;
    },
    { timeoutMs: 180_000, everyMs: 500, what: "all records to be held" },
  );
  await open(`/${READINGS}/sinks/hook/held`);
  const box = page.getByRole("region", { name: "Held records, newest first" });
  await box.waitFor();
  await box.focus();
  let most = 0;
  await waitFor(
    async () => {
      await page.keyboard.press("End");
      const nodes = Number(await page.evaluate("document.querySelectorAll('*').length"));
      most = Math.max(most, nodes);
      const size = await box.locator("li").last().getAttribute("aria-setsize");
      return Number(size) >= HELD;
    },
    { timeoutMs: 120_000, everyMs: 200, what: "the end of the held records" },
  );
  expect(most).toBeLessThan(NODES_MAX);
});

test("records that arrive: thousands are followed with the rows that are seen", {
  timeout: 120_000,
}, async () => {
  const { page, open, push } = rig;
  await open(`/${READINGS}/live`);
  await page.getByText(/^Live:/).waitFor();
  for (let i = 0; i < 10; i++) {
    await push(...Array.from({ length: 300 }, (_none, at) => ({ sensor: `s${at}`, value: at })));
  }
  await page.getByText(/^Live: \d{3,} records seen/).waitFor();
  const nodes = Number(await page.evaluate("document.querySelectorAll('*').length"));
  expect(nodes).toBeLessThan(NODES_MAX);
});
