/**
 * The server under test of connectconformance: production's port and handler, with all interceptors
 * and limits, and the suite's own service. Asked for by a length-prefixed message on stdin.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createPort } from "../../src/server/listen.ts";
import { createServerHandler } from "../../src/server/router.ts";
import { registerConformance } from "./service.ts";

const stubsDir = process.argv[2] ?? "";
// Most cases ask for errors: only the suite's verdict counts.
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

interface Ask {
  readonly useTls: boolean;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
}

async function readAsk(schema: DescMessage): Promise<Ask> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) break;
  }
  return fromBinary(schema, bytes.subarray(4)) as unknown as Ask;
}

const compat = await import(join(stubsDir, "connectrpc/conformance/v1/server_compat_pb.js"));
const stubs = await import(join(stubsDir, "connectrpc/conformance/v1/service_pb.js"));
const ask = await readAsk(compat.ServerCompatRequestSchema);
const dir = await mkdtemp(join(tmpdir(), "conformance-"));
const tls = { certFile: join(dir, "cert.pem"), keyFile: join(dir, "key.pem") };
if (ask.serverCreds) {
  await writeFile(tls.certFile, ask.serverCreds.cert);
  await writeFile(tls.keyFile, ask.serverCreds.key);
}

const handler = createServerHandler({
  services: [registerConformance(stubs)],
  exemptServices: ["connectrpc.conformance.v1.ConformanceService"],
  gate: {
    authenticate: () => Promise.reject(new Error("the suite sends no credentials")),
    authorizeOperation: () => undefined,
    authorizeCall: () => undefined,
  },
  logger,
  ...(ask.messageReceiveLimit > 0 && { limits: { readMaxBytes: ask.messageReceiveLimit } }),
});
const port = await createPort({
  host: "127.0.0.1",
  port: 0,
  handler: handler.handle,
  onDrain: handler.drain,
  logger,
  // The suite opens a session for each of its parallel cases.
  limits: { sessionsPerAddress: 10_000 },
  ...(ask.useTls && { tls }),
});

const answer = toBinary(
  compat.ServerCompatResponseSchema,
  create(compat.ServerCompatResponseSchema, {
    host: port.address,
    port: port.port,
    ...(ask.useTls && { pemCert: ask.serverCreds?.cert }),
  }),
);
const length = Buffer.alloc(4);
length.writeUInt32BE(answer.length);
process.stdout.write(Buffer.concat([length, answer]));

process.once("SIGTERM", async () => {
  await port.drain(2_000);
  await rm(dir, { recursive: true, force: true });
  process.exit(0);
});
