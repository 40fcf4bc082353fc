/** One thread of the pool: it is started when first needed, and replaced when a job takes too long. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Logger } from "../../core/logger.ts";
import type { TemplateJob, TemplateJobDone } from "./template-job.ts";

/** Budgets let a record take milliseconds; a thread that needs this long for one job is lost. */
const JOB_MS_MAX = 10_000;
const HEAP_MB = 256;
const STACK_MB = 4;

/** The thread did not answer. */
export class ThreadLost extends Error {}

interface Waiting {
  readonly resolve: (done: TemplateJobDone) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that takes jobs in turn. */
export class TemplateThread {
  readonly #logger: Logger;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Jobs that are not done. */
  get load(): number {
    return this.#waiting.size;
  }

  /** Runs a job. Rejects with ThreadLost when the thread went while it ran or waited. */
  run(job: TemplateJob): Promise<TemplateJobDone> {
    if (this.#isClosed)
      return Promise.reject(new ThreadLost("templates are not evaluated any more"));
    return new Promise((resolve, reject) => {
      this.#waiting.set(job.id, { resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.postMessage(job);
      this.#watch();
    });
  }

  #start(): Worker {
    // Stripped types in src, plain JavaScript in dist.
    const file = `./template-worker${extname(import.meta.filename)}`;
    const worker = new Worker(new URL(file, import.meta.url), {
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, stackSizeMb: STACK_MB },
    });
    worker.unref();
    worker.on("message", (done: TemplateJobDone) => {
      this.#waiting.get(done.id)?.resolve(done);
      this.#waiting.delete(done.id);
      this.#watch();
    });
    worker.on("error", (error) => this.#lost(worker, String(error)));
    worker.on("exit", (code) => this.#lost(worker, `exit code ${code}`));
    return worker;
  }

  /** Begins to count anew with each answer: jobs are done one after another. */
  #watch(): void {
    clearTimeout(this.#timer);
    const worker = this.#worker;
    if (this.#waiting.size === 0 || !worker) return;
    this.#timer = setTimeout(() => this.#lost(worker, "no answer"), JOB_MS_MAX);
    this.#timer.unref();
  }

  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    clearTimeout(this.#timer);
    void worker.terminate();
    if (!this.#isClosed) this.#logger.warn("a thread of templates is replaced", { why });
    const lost = new ThreadLost(why);
    for (const { reject } of this.#waiting.values()) reject(lost);
    this.#waiting.clear();
  }

  /** Ends the thread; what waits is rejected. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    if (!worker) return;
    this.#lost(worker, "closed");
    await worker.terminate();
  }
}
