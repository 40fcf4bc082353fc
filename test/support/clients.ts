/** Generated clients over every transport, as a user of `tributary/client` makes them. */
import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { Target } from "./server.ts";

/** Transports by name. */
export const TRANSPORTS = {
  "gRPC over h2c": (options) => createGrpcTransport(options),
  "gRPC-Web over HTTP/1.1": (options) => createGrpcWebTransport({ ...options, httpVersion: "1.1" }),
  "gRPC-Web over h2c": (options) => createGrpcWebTransport({ ...options, httpVersion: "2" }),
  "Connect JSON over HTTP/1.1": (options) =>
    createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect JSON over h2c": (options) =>
    createConnectTransport({ ...options, httpVersion: "2", useBinaryFormat: false }),
  "Connect binary over HTTP/1.1": (options) =>
    createConnectTransport({ ...options, httpVersion: "1.1" }),
  "Connect binary over h2c": (options) => createConnectTransport({ ...options, httpVersion: "2" }),
} satisfies Record<string, (options: TransportOptions) => Transport>;

interface TransportOptions {
  baseUrl: string;
  interceptors: Interceptor[];
}

/** Name of a transport. */
export type TransportName = keyof typeof TRANSPORTS;

/** A client that sends the target's token with each call. */
export function clientOf<S extends DescService>(
  service: S,
  target: Target,
  transport: TransportName = "gRPC over h2c",
): Client<S> {
  const withToken: Interceptor = (next) => async (request) => {
    request.header.set("Authorization", `Bearer ${await target.token()}`);
    return next(request);
  };
  return createClient(
    service,
    TRANSPORTS[transport]({ baseUrl: target.url, interceptors: [withToken] }),
  );
}

/** A record as JSON text in bytes, which keeps its numbers. */
export function jsonPayload(value: unknown): {
  payload: { case: "json"; value: Uint8Array<ArrayBuffer> };
} {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return { payload: { case: "json", value: new TextEncoder().encode(text) } };
}
