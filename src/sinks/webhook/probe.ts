import { connect, type Socket } from "node:net";
import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";
import { type AllowedAddress, createEgressGuard } from "../egress.ts";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault, timeoutFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { BodyFault } from "./body.ts";
import { parseEndpoint } from "./endpoint.ts";
import { createWebhookClient } from "./open-sink.ts";
import { describeAnswer } from "./outcome.ts";

/** Tries an endpoint: address, connection, and a signed request with an empty array. */
export async function testWebhook(
  config: WebhookSink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  const guard = createEgressGuard(env);
  const endpoint = parseEndpoint(config);
  if (typeof endpoint === "string") {
    return [{ name: "resolve", isOk: false, message: `url ${endpoint}`, durationMs: 0 }];
  }
  const { url } = endpoint;
  let addresses: readonly AllowedAddress[] = [];
  return runStages({
    resolve: async () => {
      addresses = await guard.resolve(url.hostname);
      return url.protocol === "https:"
        ? "the address is allowed"
        : "the address is allowed; http is not encrypted, use https";
    },
    connect: async () => {
      const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
      const socket = await open({ address: addresses[0]!.address, port, signal });
      socket.destroy();
      return "the server accepts connections";
    },
    write: async () => {
      const client = createWebhookClient(config, {
        guard,
        nowMs: Date.now,
        templates: env.templates,
      });
      try {
        const answer = await client.send({ id: "test", rows: [], isTest: true }, signal);
        const said = describeAnswer(answer);
        if (answer.status >= 200 && answer.status < 300) return said;
        throw new SinkFault(`HTTP_${answer.status}`, said);
      } catch (error) {
        if (!(error instanceof BodyFault)) throw error;
        return `nothing was sent: without records the template makes no body: ${error.message}`;
      } finally {
        client.close();
      }
    },
  });
}

function open(options: { address: string; port: number; signal: AbortSignal }): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host: options.address, port: options.port });
  const stop = () => socket.destroy(timeoutFault("the connection"));
  options.signal.addEventListener("abort", stop, { once: true });
  socket.once("connect", () => resolve(socket));
  socket.once("close", () => options.signal.removeEventListener("abort", stop));
  socket.on("error", (error: NodeJS.ErrnoException) =>
    reject(
      error instanceof SinkFault
        ? error
        : new SinkFault("CONNECTION_FAILED", `the connection failed: ${error.code ?? "unknown"}`),
    ),
  );
  return promise;
}
