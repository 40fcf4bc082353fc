/** The thread that makes Parquet files, one after the other. */
import { parentPort } from "node:worker_threads";
import { encodeParquetFile } from "./encode.ts";
import type { ParquetJob } from "./job.ts";

parentPort?.on("message", (job: ParquetJob) => {
  encodeParquetFile(job).then(
    (file) => parentPort?.postMessage({ file }, [file.bytes.buffer as ArrayBuffer]),
    (error: unknown) => {
      parentPort?.postMessage({ fault: error instanceof Error ? error.message : String(error) });
    },
  );
});
