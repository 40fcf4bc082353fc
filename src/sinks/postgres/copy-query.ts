/**
 * Statements and COPYs that travel as one pipeline of the extended protocol (Postgres manual, 54.2.3):
 * nothing waits for an answer before the Sync at the end, so the whole is one round trip and, outside of
 * an explicit transaction, one transaction. Rows are sent while later ones are still being encoded.
 * A failure anywhere makes the server skip the rest up to the Sync and undo everything.
 *
 * It is a "submittable" of pg, as pg-copy-streams and pg-query-stream are; those run one statement each.
 */
import type { Wire } from "./client.ts";
import { sqlStateOf } from "./fault.ts";

/** SQLSTATE by which a fence says no. */
export const DIVISION_BY_ZERO = "22012";

/** One statement with its parameters. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly (string | Buffer | null)[];
}

/** One COPY with the statements around it. */
export interface CopyPart {
  readonly before: readonly Statement[];
  /** `COPY … FROM STDIN`. */
  readonly copy: string;
  /** Gives all rows to `send`, in pieces. */
  feed(send: (chunk: Buffer) => void): Promise<void>;
  readonly after: readonly Statement[];
}

/** What one pipeline does. */
export interface CopyWork {
  /** Runs first; its division by zero means that the work is not to be done. */
  readonly fence?: Statement;
  readonly parts: readonly CopyPart[];
  /** Statements at the end; asked for when all rows were given. */
  after?(): readonly Statement[];
  /** Called when all of it was sent: another COPY may be sent behind it. */
  onSent?(): void;
}

/** The fence let nobody through: another owner has moved the cursor. Nothing was stored. */
export class Fenced extends Error {}

/** The pipeline as pg runs it: `client.query(query)`, then wait for `outcome`. */
export interface CopyQuery {
  /** Settles when the server is done with it or the connection is lost, and `feed` has ended. */
  readonly outcome: Promise<void>;
  /** Sends it, once: pg submits again what was sent behind another query. */
  submit(connection: unknown): void;
}

/** Makes a pipeline that is run once. */
export function createCopyQuery(work: CopyWork): CopyQuery {
  const served = Promise.withResolvers<void>();
  const fed = Promise.withResolvers<void>();
  let completed = 0;
  let isOver = false;
  let isFeeding = false;
  const fail = (error: unknown) => {
    isOver = true;
    served.reject(error);
    // A connection that was lost before runs nothing.
    if (!isFeeding) fed.resolve();
  };
  const sendAll = (wire: Wire, statements: readonly Statement[]) => {
    if (!isOver) for (const statement of statements) send(wire, statement);
  };
  const feedAll = async (wire: Wire) => {
    for (const part of work.parts) {
      sendAll(wire, [...part.before, { text: part.copy }]);
      await part.feed((chunk) => {
        if (!isOver) sendRows(wire, chunk);
      });
      if (!isOver) wire.endCopyFrom();
      sendAll(wire, part.after);
    }
    sendAll(wire, work.after?.() ?? []);
  };
  const giveUp = (wire: Wire, error: unknown) => {
    isOver = true;
    wire.sendCopyFail("the rows could not be encoded");
    // Outside of a COPY that is ignored, and the Sync would commit.
    send(wire, { text: "SELECT 1 / 0" });
    wire.sync();
    fed.reject(error);
  };
  const finish = (wire: Wire) => {
    wire.sync();
    fed.resolve();
    work.onSent?.();
  };
  const submit = (wire: Wire) => {
    if (isFeeding) return;
    isFeeding = true;
    wire.stream.cork();
    if (work.fence) send(wire, work.fence);
    feedAll(wire)
      .then(() => finish(wire))
      .catch((error: unknown) => giveUp(wire, error));
    // What is encoded at once leaves in one packet with the rest.
    process.nextTick(() => wire.stream.uncork());
  };
  const handlers = {
    submit,
    handleCommandComplete: () => {
      completed += 1;
    },
    handleError: (error: unknown) => {
      const isFenced = work.fence && completed === 0 && sqlStateOf(error) === DIVISION_BY_ZERO;
      fail(isFenced ? new Fenced() : error);
    },
    handleReadyForQuery: () => served.resolve(),
    handleRowDescription: () => undefined,
    handleDataRow: () => undefined,
    handleEmptyQuery: () => undefined,
    handlePortalSuspended: () => undefined,
    handleCopyInResponse: () => undefined,
    handleCopyData: () => undefined,
  };
  const outcome = Promise.allSettled([fed.promise, served.promise]).then((settled) => {
    for (const each of settled) if (each.status === "rejected") throw each.reason;
  });
  return Object.assign(handlers, { outcome }) as CopyQuery;
}

/** CopyData (Postgres manual, 54.7), without the copies of all bytes that pg makes of it. */
function sendRows({ stream }: Wire, chunk: Buffer): void {
  const head = Buffer.allocUnsafe(5);
  head[0] = 0x64;
  head.writeInt32BE(chunk.length + 4, 1);
  stream.cork();
  stream.write(head);
  stream.write(chunk);
  process.nextTick(() => stream.uncork());
}

function send(wire: Wire, { text, values = [] }: Statement): void {
  wire.parse({ text });
  wire.bind({ values });
  wire.execute();
}
