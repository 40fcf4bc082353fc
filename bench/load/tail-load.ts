/**
 * Readers of one stream, as raw Connect streams over HTTP/1.1: all count their bytes, some decode what
 * they get. Says how many are open, then what each had when it is told to end.
 */

import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  TailRecordsRequestSchema,
  TailRecordsResponseSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";

/** What the readers are told. */
export interface TailPlan {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly stream: string;
  readonly readers: number;
}

/** What they had. */
export interface TailResult {
  readonly leastBytes: number;
  readonly mostBytes: number;
  /** Of the readers that decode: fewest records, and the sum of what they missed or was skipped. */
  readonly leastRecords: number;
  readonly left: number;
  readonly ended: number;
}

const DECODING_READERS = 5;
/** How long all of them together may take to get their first bytes. */
const JOIN_MS = 120_000;
/** Readers that connect at once. */
const OPENING = 50;

const plan = JSON.parse(process.argv[2] ?? "") as TailPlan;
const bytes = new Float64Array(plan.readers);
const records = new Float64Array(DECODING_READERS);
const sockets: Socket[] = [];
let left = 0;
let ended = 0;

const message = create(TailRecordsRequestSchema, { stream: plan.stream, rateMax: 10_000 });
const request = toBinary(TailRecordsRequestSchema, message);
const envelope = Buffer.alloc(5);
envelope.writeUInt32BE(request.length, 1);
const body = Buffer.concat([envelope, request]);
const head = [
  "POST /tributary.records.v1.RecordService/TailRecords HTTP/1.1",
  `host: ${plan.host}:${plan.port}`,
  `authorization: Bearer ${plan.token}`,
  "content-type: application/connect+proto",
  "connect-protocol-version: 1",
  `content-length: ${body.length}`,
].join("\r\n");
const call = Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]);

function open(reader: number): Promise<void> {
  const socket = connect({ host: plan.host, port: plan.port, noDelay: true });
  sockets.push(socket);
  const decode = reader < DECODING_READERS ? createDecoder(reader) : undefined;
  socket.on("data", (chunk: Buffer) => {
    bytes[reader]! += chunk.length;
    decode?.(chunk);
  });
  socket.on("error", () => socket.destroy());
  return new Promise((resolve) => {
    socket.on("close", () => {
      ended++;
      resolve();
    });
    socket.on("connect", () => {
      socket.write(call);
      resolve();
    });
  });
}

/** Takes chunked HTTP/1.1 apart, then envelopes. */
function createDecoder(reader: number): (chunk: Buffer) => void {
  let raw = Buffer.alloc(0);
  let isHead = true;
  let enveloped = Buffer.alloc(0);
  return (chunk) => {
    raw = Buffer.concat([raw, chunk]);
    if (isHead) {
      const end = raw.indexOf("\r\n\r\n");
      if (end < 0) return;
      raw = raw.subarray(end + 4);
      isHead = false;
    }
    for (;;) {
      const line = raw.indexOf("\r\n");
      if (line < 0) break;
      const length = Number.parseInt(raw.toString("latin1", 0, line), 16);
      if (raw.length < line + 2 + length + 2) break;
      enveloped = Buffer.concat([enveloped, raw.subarray(line + 2, line + 2 + length)]);
      raw = raw.subarray(line + 2 + length + 2);
    }
    while (enveloped.length >= 5 && enveloped.length >= 5 + enveloped.readUInt32BE(1)) {
      const end = 5 + enveloped.readUInt32BE(1);
      if (enveloped[0] === 0) count(reader, enveloped.subarray(5, end));
      enveloped = enveloped.subarray(end);
    }
  };
}

function count(reader: number, data: Uint8Array): void {
  const answer = fromBinary(TailRecordsResponseSchema, data);
  records[reader]! += answer.records.length;
  left += Number(answer.missed) + Number(answer.skipped);
}

for (let at = 0; at < plan.readers; at += OPENING) {
  const some = Array.from({ length: Math.min(OPENING, plan.readers - at) }, (_, i) => open(at + i));
  await Promise.all(some);
}
// A reader that has nothing yet is still being let in, which costs more than reading does.
const patienceEnds = performance.now() + JOIN_MS;
while (bytes.includes(0) && performance.now() < patienceEnds) await sleep(100);
process.stdout.write("open\n");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "zero") {
    bytes.fill(0);
    records.fill(0);
    left = 0;
    continue;
  }
  const result: TailResult = {
    leastBytes: Math.min(...bytes),
    mostBytes: Math.max(...bytes),
    leastRecords: Math.min(...records),
    left,
    ended,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}
