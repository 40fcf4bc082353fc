import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FileSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { OpenSink, Place, RowOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink, SinkFault, timeoutFault } from "../sink-fault.ts";
import { directoryFault, openDirectory, syncDirectory } from "./directory.ts";
import { openingOf, openPart, type Part } from "./part.ts";

/** Open sinks of this process: their parts are in use. */
const openings = new Set<string>();

/** Opens a file sink: makes its directory and removes parts whose rows were never settled. */
export async function openFile(config: FileSink, env: SinkEnvironment): Promise<OpenSink> {
  const fault = directoryFault(config.directory);
  if (fault) throw new SinkFault("DIRECTORY_REFUSED", `directory ${fault}`);
  let directory: string;
  try {
    directory = await openDirectory(env.fileSinkDir, config.directory);
    await removeParts(directory, env.sinkUid);
  } catch (error) {
    throw toFault(error);
  }
  return createSink(directory, env.sinkUid);
}

async function removeParts(directory: string, sinkUid: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const isPart = name.startsWith(`.${sinkUid}-`) && name.endsWith(".part");
    if (isPart && !openings.has(openingOf(name))) {
      await rm(join(directory, name), { force: true });
    }
  }
}

function createSink(directory: string, sinkUid: string): OpenSink {
  const opening = randomBytes(6).toString("hex");
  openings.add(opening);
  const parts = new Map<string, Promise<Part>>();
  const partOf = (request: SinkRequest): Promise<Part> => {
    const kind = request.isReplay ? "r" : "p";
    const prefix = `${sinkUid}-g${request.generation}-${kind}${request.partition}`;
    const open = parts.get(prefix) ?? openPart({ directory, prefix, opening });
    parts.set(prefix, open);
    open.catch(() => parts.delete(prefix));
    return open;
  };
  let last: Promise<unknown> = Promise.resolve();
  /** One thing at a time: a part must not be completed while rows are appended. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
  return {
    async write(request, signal) {
      if (signal.aborted) return retrySink("TIMEOUT", "the file was not written in time");
      try {
        await inTurn(async () => (await partOf(request)).append(request));
      } catch (error) {
        const fault = toFault(error);
        return retrySink(fault.reason, fault.message);
      }
      return { kind: "rows", outcomes: request.rows.map((): RowOutcome => ({ kind: "staged" })) };
    },
    async flush(_reason, signal) {
      if (signal.aborted) throw timeoutFault("completing the files");
      try {
        return await inTurn(() => completeParts(directory, parts));
      } catch (error) {
        throw toFault(error);
      }
    },
    close: () =>
      inTurn(async () => {
        const open = [...parts.values()];
        parts.clear();
        openings.delete(opening);
        for (const part of open) await part.then((p) => p.discard()).catch(() => undefined);
      }),
  };
}

/** Completes all parts; after a failure it can be repeated, for none is forgotten before the end. */
async function completeParts(
  directory: string,
  parts: Map<string, Promise<Part>>,
): Promise<Place[]> {
  const settled: Place[] = [];
  for (const opening of parts.values()) {
    const part = await opening;
    await part.complete();
    settled.push(...part.places);
  }
  if (settled.length > 0) await syncDirectory(directory);
  parts.clear();
  return settled;
}

function toFault(error: unknown): SinkFault {
  if (error instanceof SinkFault) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
  const reason = code === "ENOSPC" || code === "EDQUOT" ? "DISK_FULL" : "FILE_FAILED";
  return new SinkFault(reason, `the file cannot be written: ${code}`, { cause: error });
}
