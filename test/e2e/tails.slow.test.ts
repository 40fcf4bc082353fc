import { RecordService } from "tributary/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream, push } from "../support/api.ts";
import { clientOf, type TransportName } from "../support/clients.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

interface Tail {
  readonly seen: { readonly n: number; readonly place: string }[];
  missed: number;
  close(): Promise<void>;
  readonly ended: Promise<unknown>;
}

function tail(stream: string, request: object = {}, name: TransportName = "gRPC over h2c"): Tail {
  const client = clientOf(RecordService, server, name);
  const abort = new AbortController();
  const result: Tail["seen"] = [];
  const read = async () => {
    const answers = client.tailRecords(
      { stream, rateMax: 10_000, ...request },
      { signal: abort.signal },
    );
    for await (const { records, missed } of answers) {
      opened.missed += Number(missed);
      for (const { json, value, place } of records) {
        // JSON answers show the record itself, binary ones its text.
        const record = value ?? JSON.parse(new TextDecoder().decode(json));
        result.push({ n: Number(record.n), place });
      }
    }
  };
  const ended = read().catch((error: unknown) => (abort.signal.aborted ? undefined : error));
  const opened: Tail = {
    seen: result,
    missed: 0,
    ended,
    close: async () => {
      abort.abort();
      await ended;
    },
  };
  return opened;
}

test("every tail sees each record once and in order, whenever it joins and from wherever it begins", async () => {
  const stream = await createStream(server, "joined", {
    fields: { n: "LONG" },
    throughput: "HIGH",
  });
  const tails: { readonly tail: Tail; readonly from: "first" | "now" }[] = [];
  let pushed = 0;
  const next = () => Array.from({ length: 1 + (pushed % 7) }, () => ({ n: pushed++ }));
  for (let round = 0; round < 120; round++) {
    if (round % 10 === 0) {
      const transports = ["gRPC over h2c", "Connect JSON over HTTP/1.1"] as const;
      const transport = transports[(round / 10) % 2]!;
      tails.push({ tail: tail(stream, { fromSequence: 1n }, transport), from: "first" });
      tails.push({ tail: tail(stream, {}, transport), from: "now" });
    }
    await Promise.all([push(server, stream, next()), push(server, stream, next())]);
  }
  const everything = [...Array(pushed).keys()];
  await waitFor(() => tails.every(({ tail: { seen } }) => seen.some(({ n }) => n === pushed - 1)), {
    what: () =>
      `all tails at the end: ${tails.map(({ tail: { seen } }) => seen.length)} of ${pushed}`,
    timeoutMs: 60_000,
  });
  for (const { tail: each, from } of tails) {
    await waitFor(() => from === "now" || each.seen.length >= pushed, { what: "all records" });
    const places = each.seen.map(({ place }) => place.split("-").map(Number));
    const sorted = places.toSorted(([a = 0, i = 0], [b = 0, j = 0]) => a - b || i - j);
    expect(places).toEqual(sorted);
    const numbers = each.seen.map(({ n }) => n).toSorted((a, b) => a - b);
    expect(new Set(numbers).size).toBe(numbers.length);
    if (from === "first") expect(numbers).toEqual(everything);
    // From now on: a suffix of the log, whose order differs from that of the pushes by two calls at most.
    else expect(numbers.slice(14)).toEqual(everything.slice(pushed - numbers.length + 14));
    expect(each.missed).toBe(0);
    await each.close();
  }
}, 150_000);

test("JSON and binary tails give the same records, with a filter and without", async () => {
  const stream = await createStream(server, "alike", { fields: { n: "LONG", half: "STRING" } });
  await push(
    server,
    stream,
    Array.from({ length: 1_200 }, (_, n) => ({ n, half: n < 600 ? "first" : "second" })),
  );
  for (const filter of ["", 'half = "second"']) {
    const request = { fromSequence: 1n, filter };
    const names = ["gRPC over h2c", "Connect JSON over HTTP/1.1"] as const;
    const tails = names.map((name) => tail(stream, request, name));
    const count = filter === "" ? 1_200 : 600;
    await waitFor(() => tails.every(({ seen }) => seen.length === count), {
      what: () => `${count} records: ${tails.map(({ seen }) => seen.length)}`,
      timeoutMs: 60_000,
    });
    expect(tails[0]?.seen).toEqual(tails[1]?.seen);
    for (const each of tails) await each.close();
  }
}, 150_000);

test("a reader that takes nothing for a while is told how many records it missed, and has all others", async () => {
  const stream = await createStream(server, "slow", { fields: { n: "LONG", text: "STRING" } });
  const client = clientOf(RecordService, server, "gRPC over h2c");
  const abort = new AbortController();
  const messages = client.tailRecords({ stream, fromSequence: 1n }, { signal: abort.signal });
  const reader = messages[Symbol.asyncIterator]();
  const text = "x".repeat(100_000);
  await push(server, stream, [{ n: 0, text }]);
  let given = (await reader.next()).value?.records.length ?? 0;
  const calls = 40;
  for (let call = 0; call < calls; call++) {
    await push(
      server,
      stream,
      Array.from({ length: 10 }, (_, i) => ({ n: call * 10 + i, text })),
    );
  }
  let missed = 0;
  while (given + missed < calls * 10 + 1) {
    const { value } = await reader.next();
    given += value?.records.length ?? 0;
    missed += Number(value?.missed ?? 0);
  }
  expect(given + missed).toBe(calls * 10 + 1);
  expect(missed).toBeGreaterThan(0);
  expect(given).toBeGreaterThan(1);
  abort.abort();
}, 150_000);

test("a tail ends when its stream is deleted, though nothing is pushed any more to others", async () => {
  const stream = await createStream(server, "ending", { fields: { n: "LONG" } });
  const one = tail(stream, { fromSequence: 1n });
  await push(server, stream, [{ n: 1 }]);
  await waitFor(() => one.seen.length === 1, { what: "the first record", timeoutMs: 60_000 });
  await call(server, "management.v1.StreamService/DeleteStream", { name: stream });
  await expect(one.ended).resolves.toMatchObject({ rawMessage: expect.stringContaining(stream) });
}, 150_000);
