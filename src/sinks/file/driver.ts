import { access, constants } from "node:fs/promises";
import { clone } from "@bufbuild/protobuf";
import { FileSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDriver } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { directoryFault, openDirectory } from "./directory.ts";
import { openFile } from "./open-sink.ts";

/** NDJSON files; at least once, settled when a file is complete and synced. */
export const fileDriver: SinkDriver<"file"> = {
  defaults: { count: 10_000, bytes: 8 * 1024 * 1024, timeMs: 1000 },
  countMax: 100_000,
  keepsCursor: false,
  concurrency: 1,
  check({ directory }) {
    const fault = directoryFault(directory);
    return fault ? [{ field: "directory", description: fault }] : [];
  },
  open: openFile,
  test: (config, env) =>
    runStages({
      resolve: async () => {
        const fault = directoryFault(config.directory);
        if (fault) throw new SinkFault("DIRECTORY_REFUSED", `directory ${fault}`);
        return "the name is allowed";
      },
      write: async () => {
        try {
          const path = await openDirectory(env.fileSinkDir, config.directory);
          await access(path, constants.W_OK);
        } catch (error) {
          if (error instanceof SinkFault) throw error;
          throw new SinkFault("FILE_FAILED", "the directory cannot be made or written", {
            cause: error,
          });
        }
        return "the directory can be written";
      },
    }),
  mask: (config) => clone(FileSinkSchema, config),
  keepSecrets: (config) => clone(FileSinkSchema, config),
};
