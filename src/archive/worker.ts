/** The thread that makes files of archives, one after the other. */
import { parentPort } from "node:worker_threads";
import { encodeArchiveFile } from "./encode-file.ts";
import type { ArchiveJob } from "./file-job.ts";

parentPort?.on("message", (job: ArchiveJob) => {
  encodeArchiveFile(job).then(
    (file) => parentPort?.postMessage({ file }, [file.bytes.buffer as ArrayBuffer]),
    (error: unknown) => {
      parentPort?.postMessage({ fault: error instanceof Error ? error.message : String(error) });
    },
  );
});
