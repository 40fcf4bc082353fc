/**
 * Snapshots of JetStream streams over the server's own API, so that they work with an embedded server
 * and with any other: the server packs a stream at one moment, checks each block, and unpacks it again
 * with its configuration, sequences and time of making.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { createInbox, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { StartError } from "../core/start-error.ts";
import type { BusConnectionOptions } from "./connection.ts";
import { openBusConnection } from "./connection.ts";
import { parseRecordsSubject } from "./subjects.ts";

/** What the server says of a stream, to be given back to it as it is. */
export interface StreamDescription {
  readonly config: Record<string, unknown>;
  readonly state: StreamState;
}

/** What a stream holds. */
export interface StreamState {
  readonly messages: number;
  readonly bytes: number;
  readonly first_seq: number;
  readonly last_seq: number;
}

/** Streams of one installation on a server. */
export interface StreamSnapshots {
  /** Names of its streams: stores first, the shards of the log last. */
  names(): Promise<string[]>;
  /** Uids of the logs that a stream holds records of. */
  logsOf(stream: string): Promise<string[]>;
  /** What a stream holds, and when it was made: the identity of a shard. */
  info(stream: string): Promise<{ readonly state: StreamState; readonly created: string }>;
  /** Writes a stream, as it is now, block by block; gives what the server says of it. */
  save(stream: string, write: (block: Uint8Array) => Promise<void>): Promise<StreamDescription>;
  /** Makes a stream of what `save` wrote. Fails with a StartError when the server refuses. */
  load(description: StreamDescription, blocks: AsyncIterable<Uint8Array>): Promise<void>;
  close(): Promise<void>;
}

/** Far below any server's max_payload. */
const BLOCK_BYTES = 128 * 1024;
const BLOCK_TIMEOUT_MS = 30_000;
const SHARD = /_SHARD_\d+$/;

/** Connects. Fails with LOG_UNAVAILABLE, and with a StartError when the server will not do. */
export async function openStreamSnapshots(
  options: BusConnectionOptions & { readonly namespace?: string },
): Promise<StreamSnapshots> {
  const connection = await openBusConnection(options);
  const { nc } = connection;
  const jsm = await jetstreamManager(nc);
  const prefix = `${(options.namespace ?? "tributary").toUpperCase()}_`;
  return {
    async names() {
      const found: string[] = [];
      for await (const name of jsm.streams.names()) if (name.startsWith(prefix)) found.push(name);
      return found.sort(
        (a, b) => Number(SHARD.test(a)) - Number(SHARD.test(b)) || (a < b ? -1 : 1),
      );
    },
    async logsOf(stream) {
      if (!SHARD.test(stream)) return [];
      const { state } = await jsm.streams.info(stream, { subjects_filter: ">" });
      const uids = Object.keys(state.subjects ?? {}).flatMap(
        (subject) => parseRecordsSubject(subject)?.logUid ?? [],
      );
      return [...new Set(uids)];
    },
    info: (stream) => jsm.streams.info(stream),
    save: (stream, write) => save(nc, stream, write),
    load: (description, blocks) => load(nc, description, blocks),
    close: connection.close,
  };
}

async function save(
  nc: NatsConnection,
  stream: string,
  write: (block: Uint8Array) => Promise<void>,
): Promise<StreamDescription> {
  const inbox = createInbox();
  const blocks = nc.subscribe(inbox, { timeout: BLOCK_TIMEOUT_MS });
  try {
    const request = { deliver_subject: inbox, no_consumers: true, chunk_size: BLOCK_BYTES };
    const described = await ask<StreamDescription>(
      nc,
      `$JS.API.STREAM.SNAPSHOT.${stream}`,
      request,
    );
    for await (const block of blocks) {
      if (block.data.length === 0) {
        checkEnd(block, stream);
        break;
      }
      await write(block.data);
      block.respond();
    }
    return { config: described.config, state: described.state };
  } finally {
    blocks.unsubscribe();
  }
}

/** The server ends a snapshot with an empty message; one that failed says why in its head. */
function checkEnd(block: Msg, stream: string): void {
  const { headers } = block;
  if (!headers || headers.code === 0 || headers.code < 300) return;
  throw new StartError(`nats-server gave up the snapshot of ${stream}: ${headers.description}`);
}

async function load(
  nc: NatsConnection,
  { config, state }: StreamDescription,
  blocks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const subject = `$JS.API.STREAM.RESTORE.${String(config.name)}`;
  const { deliver_subject: target } = await ask<{ deliver_subject: string }>(nc, subject, {
    config,
    state,
  });
  for await (const block of blocks) {
    for (let at = 0; at < block.length; at += BLOCK_BYTES) {
      await send(nc, target, block.subarray(at, at + BLOCK_BYTES));
    }
  }
  await send(nc, target, new Uint8Array());
}

async function send(nc: NatsConnection, subject: string, data: Uint8Array): Promise<void> {
  const answer = await nc.request(subject, data, { timeout: BLOCK_TIMEOUT_MS });
  if (answer.data.length > 0) refuseError(answer.json());
}

async function ask<T>(nc: NatsConnection, subject: string, request: object): Promise<T> {
  const text = JSON.stringify(request);
  const answer = await nc.request(subject, text, { timeout: BLOCK_TIMEOUT_MS });
  const body = answer.json<T & { error?: { description?: string } }>();
  refuseError(body);
  return body;
}

function refuseError(body: { error?: { description?: string } }): void {
  if (!body.error) return;
  throw new StartError(`nats-server refuses: ${body.error.description ?? "no reason given"}`);
}
