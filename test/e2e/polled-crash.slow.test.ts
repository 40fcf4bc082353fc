/** Polled sources on two nodes that are killed: each page is asked for in turn, and stored once. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream, listAll } from "../support/api.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { waitFor } from "../support/wait-for.ts";

const PAGE = 5;
const PAGES = 24;

let cluster: Cluster;
let api: Server;
/** Cursors that were asked for, in order; who is told of each answer. */
const asked: number[] = [];
let onAnswered: () => void = () => undefined;

beforeAll(async () => {
  api = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://api");
    const after = Number(url.searchParams.get("after") ?? 0);
    asked.push(after);
    const ids = Array.from({ length: PAGE }, (_, i) => after + i + 1);
    const items = ids.filter((id) => id <= PAGE * PAGES).map((id) => ({ id }));
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ items }), () => onAnswered());
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  cluster = await startCluster();
  await cluster.startNode();
  await cluster.startNode();
});
afterAll(async () => {
  await cluster?.close();
  api?.close();
});

/** Ends the turn of a node that is no more, which would end by itself after a minute. */
async function endLeases(): Promise<void> {
  const sql = postgres(cluster.sinkDatabaseUrl.replace("test_sinks", "test_control"), {
    max: 1,
    onnotice: () => undefined,
  });
  await sql.begin(async (tx) => {
    await tx`select set_config('tributary.scope', 'installation', true)`;
    const ended = await tx`update tributary.source_polls set lease_end_time = now()`;
    expect(ended.count).toBe(1);
  });
  await sql.end();
}

test("S01: two nodes poll in turn, both are killed (SIGKILL) after an answer, three times, and every item is stored once, in order", {
  timeout: 240_000,
}, async () => {
  const [first] = cluster.nodes;
  const stream = await createStream(first!, "polled", { fields: { id: "LONG" } });
  const { port } = api.address() as AddressInfo;
  await call(first!, "management.v1.SourceService/CreateSource", {
    parent: stream,
    sourceId: "poller",
    source: {
      mode: "POLL",
      recordIdPath: "id",
      poll: {
        url: `http://127.0.0.1:${port}/pages`,
        interval: "1s",
        itemsPath: "items",
        cursorPath: "id",
        cursorParameter: "after",
      },
    },
  });
  // The moment after the answer moves: before the push, within it, and before the state is saved.
  for (const delayMs of [0, 8, 25]) {
    const nodes = cluster.nodes.slice(-2);
    const answered = new Promise<void>((resolve) => {
      let left = 3;
      onAnswered = () => {
        left -= 1;
        if (left === 0) setTimeout(resolve, delayMs);
      };
    });
    await answered;
    await Promise.all(nodes.map((node) => node.stop("SIGKILL")));
    onAnswered = () => undefined;
    await endLeases();
    for (const node of nodes) await cluster.startNode({ port: Number(new URL(node.url).port) });
  }
  const target = cluster.nodes.at(-1)!;
  const ids = async () => (await listAll(target, stream)).map(({ value }) => value.id);
  await waitFor(async () => (await ids()).length >= PAGE * PAGES, {
    timeoutMs: 90_000,
    everyMs: 500,
  });
  expect(await ids()).toEqual(Array.from({ length: PAGE * PAGES }, (_, i) => i + 1));
  // One node at a time: a page is asked for again only after a crash.
  const again = asked.filter((cursor, i) => asked.indexOf(cursor) < i && cursor < PAGE * PAGES);
  expect(new Set(again).size).toBeLessThanOrEqual(3);
});
