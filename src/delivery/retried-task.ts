/** A task that runs once at a time, is tried again until it succeeds, and may be asked for meanwhile. */

/** What the task is. */
export interface RetriedTaskOptions {
  readonly work: () => Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly retryMs: number;
  readonly signal: AbortSignal;
}

/** The task of one owner; its signal ends it. */
export class RetriedTask {
  readonly #options: RetriedTaskOptions;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStale = false;

  constructor(options: RetriedTaskOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Whether it runs or waits for its next try. */
  get isOpen(): boolean {
    return this.#running !== undefined || this.#timer !== undefined;
  }

  /** Resolves when the run that is under way ends. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Runs it, or joins the run that is under way. Never rejects. */
  run(): Promise<void> {
    if (this.#options.signal.aborted) return Promise.resolve();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Runs it with what is known now: once more, when it is under way. */
  renew(): void {
    this.#isStale = true;
    void this.run();
  }

  async #run(): Promise<void> {
    const { work, onError, retryMs, signal } = this.#options;
    try {
      do {
        this.#isStale = false;
        await work();
      } while (this.#isStale && !signal.aborted);
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      this.#timer = setTimeout(() => void this.run(), retryMs);
    } finally {
      this.#running = undefined;
    }
  }
}
