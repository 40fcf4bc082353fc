/**
 * The bound on bytes of pushes in memory. A call asks before its body is read, by its content length;
 * while several projects wait, none may hold more than its share.
 */
import { fail } from "../core/errors.ts";

/** Bytes held by one call. */
export interface AdmittedBytes {
  /**
   * Takes more, for bodies that turn out larger than they said (chunked, compressed). Never waits:
   * fails with OVERLOADED when there is no room.
   */
  grow(toBytes: number): void;
  /** Gives all of it back. Idempotent. */
  release(): void;
}

/** The bound. */
export interface Admission {
  /** As `admit` where there is room now; undefined where the call has to wait. */
  admitNow(projectUid: string, bytes: number): AdmittedBytes | undefined;
  /**
   * Waits until there is room for `bytes`. Fails with OVERLOADED (and a retry hint) after the wait
   * limit or when too many wait, and with the signal's reason when it fires.
   */
  admit(projectUid: string, bytes: number, signal?: AbortSignal): Promise<AdmittedBytes>;
  /** Bytes held now. */
  heldBytes(): number;
  /** Refuses all that wait, and everything from now on. */
  close(): void;
}

/** Bounds; the defaults are for production. */
export interface AdmissionOptions {
  /** All bytes together; 64 MiB. */
  readonly bytesMax?: number;
  /** The part of it that one project may hold while others wait; 0.25. */
  readonly share?: number;
  /** Calls that may wait; 4,096. */
  readonly waitersMax?: number;
  /** How long one may wait; 2 s. */
  readonly waitMs?: number;
}

interface Waiter {
  readonly bytes: number;
  readonly start: (admitted: AdmittedBytes) => void;
  readonly refuse: (error: unknown) => void;
}

/** Makes the bound. */
export function createAdmission(options: AdmissionOptions = {}): Admission {
  const room = new Room(options);
  // Closures, so that a method can be passed on by itself.
  return {
    admitNow: (projectUid, bytes) => room.admitNow(projectUid, bytes),
    admit: (projectUid, bytes, signal) => room.admit(projectUid, bytes, signal),
    heldBytes: () => room.heldBytes(),
    close: () => room.close(),
  };
}

class Room implements Admission {
  readonly #bytesMax: number;
  readonly #shareBytes: number;
  readonly #waitersMax: number;
  readonly #waitMs: number;
  readonly #heldBy = new Map<string, number>();
  /** Projects in the order of their turns; each one's calls in the order of arrival. */
  readonly #queues = new Map<string, Waiter[]>();
  #held = 0;
  #waiting = 0;
  #isClosed = false;

  constructor(options: AdmissionOptions) {
    this.#bytesMax = options.bytesMax ?? 64 * 1024 * 1024;
    this.#shareBytes = this.#bytesMax * (options.share ?? 0.25);
    this.#waitersMax = options.waitersMax ?? 4096;
    this.#waitMs = options.waitMs ?? 2000;
  }

  admitNow(project: string, bytes: number): AdmittedBytes | undefined {
    if (this.#isClosed) throw shuttingDown();
    if (this.#queues.has(project)) return undefined;
    const isFree = this.#hasRoom(project, bytes, this.#queues.size > 0);
    return isFree ? this.#take(project, bytes) : undefined;
  }

  async admit(project: string, bytes: number, signal?: AbortSignal): Promise<AdmittedBytes> {
    const admitted = this.admitNow(project, bytes);
    if (admitted) return admitted;
    if (this.#waiting >= this.#waitersMax) throw overloaded();
    signal?.throwIfAborted();
    return this.#wait(project, bytes, signal);
  }

  heldBytes(): number {
    return this.#held;
  }

  close(): void {
    this.#isClosed = true;
    for (const queue of [...this.#queues.values()]) {
      for (const waiter of [...queue]) waiter.refuse(shuttingDown());
    }
  }

  /** Whether a call fits now. A call alone always fits, so that no size waits for ever. */
  #hasRoom(project: string, bytes: number, othersWait: boolean): boolean {
    if (this.#held === 0) return true;
    if (this.#held + bytes > this.#bytesMax) return false;
    const own = this.#heldBy.get(project) ?? 0;
    return !othersWait || own === 0 || own + bytes <= this.#shareBytes;
  }

  #hold(project: string, bytes: number): void {
    this.#held += bytes;
    const sum = (this.#heldBy.get(project) ?? 0) + bytes;
    if (sum > 0) this.#heldBy.set(project, sum);
    else this.#heldBy.delete(project);
  }

  #take(project: string, first: number): AdmittedBytes {
    let own = first;
    this.#hold(project, own);
    return {
      grow: (toBytes) => {
        if (toBytes <= own) return;
        const total = this.#held + toBytes - own;
        if (total > this.#bytesMax && this.#held > own) throw overloaded();
        this.#hold(project, toBytes - own);
        own = toBytes;
      },
      release: () => {
        if (own === 0) return;
        this.#hold(project, -own);
        own = 0;
        this.#serveWaiters();
      },
    };
  }

  #wait(project: string, bytes: number, signal?: AbortSignal): Promise<AdmittedBytes> {
    return new Promise<AdmittedBytes>((resolve, reject) => {
      const onAbort = () => waiter.refuse(signal?.reason);
      const timer = setTimeout(() => waiter.refuse(overloaded()), this.#waitMs);
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#leave(project, waiter);
      };
      const waiter: Waiter = {
        bytes,
        start: (admitted) => {
          end();
          resolve(admitted);
        },
        refuse: (error) => {
          end();
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort);
      const queue = this.#queues.get(project);
      if (queue) queue.push(waiter);
      else this.#queues.set(project, [waiter]);
      this.#waiting++;
    });
  }

  #leave(project: string, waiter: Waiter): void {
    const queue = this.#queues.get(project);
    const place = queue?.indexOf(waiter) ?? -1;
    if (!queue || place < 0) return;
    queue.splice(place, 1);
    this.#waiting--;
    if (queue.length === 0) this.#queues.delete(project);
  }

  /** One turn for each project that waits, again and again until none fits. */
  #serveWaiters(): void {
    for (let hasServed = true; hasServed && this.#queues.size > 0; ) {
      hasServed = false;
      for (const [project, queue] of [...this.#queues]) {
        const next = queue[0];
        if (!next || !this.#hasRoom(project, next.bytes, this.#queues.size > 1)) continue;
        const admitted = this.#take(project, next.bytes);
        next.start(admitted);
        // The project goes behind the others.
        if (queue.length > 0) {
          this.#queues.delete(project);
          this.#queues.set(project, queue);
        }
        hasServed = true;
      }
    }
  }
}

function shuttingDown() {
  return fail("SHUTTING_DOWN", "the server is shutting down");
}

function overloaded() {
  return fail("OVERLOADED", "too many bytes of pushes are under way: try again shortly", {
    retryAfterMs: 1000,
  });
}
