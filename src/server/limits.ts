/** Every limit of the port, with the values that production uses. */

/** Limits of connections and requests. Times in milliseconds. */
export interface PortLimits {
  /** Until a new connection has sent the bytes that tell its protocol. */
  readonly firstBytesMs: number;
  /** Until the head of an HTTP/1.1 request, or of the first one of an HTTP/2 session, is complete. */
  readonly headersMs: number;
  /** Until a whole request has arrived, on HTTP/1.1 and HTTP/2. */
  readonly requestMs: number;
  /** How long an idle HTTP/1.1 connection stays. */
  readonly keepAliveMs: number;
  /** How often HTTP/1.1 connections are looked at for the three times above. */
  readonly checkIntervalMs: number;
  /** Requests over one HTTP/1.1 connection. */
  readonly requestsPerSocket: number;
  /** Open connections, all protocols together. */
  readonly connections: number;
  /** Bytes of all header names and values of a request. */
  readonly headerBytes: number;
  /** Headers of a request, whatever their size. */
  readonly headerPairs: number;
  /** Streams open at once in one HTTP/2 session. */
  readonly streamsPerSession: number;
  /** Memory of one HTTP/2 session, in megabytes. */
  readonly sessionMegabytes: number;
  /** Silence after which an HTTP/2 stream, or a session without streams, is closed. */
  readonly sessionIdleMs: number;
  /** How often an HTTP/2 session is pinged; no answer until the next ping ends it. */
  readonly pingMs: number;
  /** Requests after which an HTTP/2 session is asked to reconnect (GOAWAY). */
  readonly requestsPerSession: number;
  /** Age after which an HTTP/2 session is asked to reconnect. */
  readonly sessionAgeMs: number;
  /** How long an address that resets streams rapidly gets no HTTP/2 session. */
  readonly resetBanMs: number;
  /** HTTP/2 sessions open at once from one address. */
  readonly sessionsPerAddress: number;
}

/** Values for production. */
export const PORT_LIMITS: PortLimits = Object.freeze({
  firstBytesMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 65_000,
  checkIntervalMs: 5_000,
  requestsPerSocket: 10_000,
  connections: 10_000,
  headerBytes: 16_384,
  headerPairs: 128,
  streamsPerSession: 100,
  sessionMegabytes: 10,
  sessionIdleMs: 120_000,
  pingMs: 30_000,
  requestsPerSession: 10_000,
  sessionAgeMs: 30 * 60_000,
  resetBanMs: 60_000,
  sessionsPerAddress: 50,
});

/** Limits of rpc messages and calls. */
export interface RpcLimits {
  /** Bytes of one request message, after decompression. */
  readonly readMaxBytes: number;
  /** Bytes of one response message. */
  readonly writeMaxBytes: number;
  /** Longest time that a caller may ask for, and the time of a unary call that asks for none. */
  readonly timeoutMaxMs: number;
}

/** Values for production. */
export const RPC_LIMITS: RpcLimits = Object.freeze({
  readMaxBytes: 16 << 20,
  writeMaxBytes: 32 << 20,
  timeoutMaxMs: 60_000,
});
