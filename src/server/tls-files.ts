/** Certificate and key in files, taken up again when they change, without a restart. */
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Logger } from "../core/logger.ts";

/** Where certificate and key are. */
export interface TlsFiles {
  /** PEM file of the certificate with its chain. */
  readonly certFile: string;
  /** PEM file of the private key. */
  readonly keyFile: string;
}

/** Reads both files. Throws when they cannot be read or do not fit each other. */
export function readTlsFiles(files: TlsFiles): SecureContextOptions {
  const context = { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
  createSecureContext(context);
  return context;
}

/**
 * Calls back with new contents of the files. A half-written or wrong pair is logged and the old one
 * stays. Returns what stops the watch.
 */
export function watchTlsFiles(
  files: TlsFiles,
  options: {
    readonly onChange: (context: SecureContextOptions) => void;
    readonly logger: Logger;
    /** How often the files are looked at, in milliseconds. */
    readonly intervalMs?: number;
  },
): () => void {
  const reload = () => {
    try {
      options.onChange(readTlsFiles(files));
      options.logger.info("TLS certificate taken up", { certFile: files.certFile });
    } catch (error) {
      options.logger.warn("TLS certificate not taken up, the old one stays", { error });
    }
  };
  const paths = [files.certFile, files.keyFile];
  for (const path of paths) {
    watchFile(path, { interval: options.intervalMs ?? 2_000, persistent: false }, reload);
  }
  return () => {
    for (const path of paths) unwatchFile(path, reload);
  };
}
