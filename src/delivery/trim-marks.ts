/** Until where retention has trimmed the logs of a shard: written by its owner before records go. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { TrimMarkSchema } from "#gen/tributary/delivery/v1/cursor_pb.js";
import type { KeyedStore } from "../bus/index.ts";

/** The marks of one shard, for its owner. */
export class TrimMarks {
  readonly #store: KeyedStore;
  readonly #prefix: string;
  readonly #marks = new Map<string, { first: number; readonly sequence: number }>();
  #loading: Promise<void> | undefined;

  constructor(store: KeyedStore, shard: number) {
    this.#store = store;
    this.#prefix = `trim.${shard}`;
  }

  /** Resolves when the marks are known. Fails with LOG_UNAVAILABLE; the next call tries again. */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    for (const { key, value, sequence } of await this.#store.list(this.#prefix)) {
      const first = Number(fromBinary(TrimMarkSchema, value).firstSequence);
      this.#marks.set(key.slice(this.#prefix.length + 1), { first, sequence });
    }
  }

  /** First sequence that may still be stored of a log; 0 when it was never trimmed. */
  of(logUid: string): number {
    return this.#marks.get(logUid)?.first ?? 0;
  }

  /** Writes that a log is about to be trimmed below a sequence. Fails when another owner has done so. */
  async raise(logUid: string, first: number): Promise<void> {
    await this.load();
    const known = this.#marks.get(logUid);
    if (known && known.first >= first) return;
    const value = toBinary(
      TrimMarkSchema,
      create(TrimMarkSchema, { firstSequence: BigInt(first) }),
    );
    const key = `${this.#prefix}.${logUid}`;
    const expectedSequence = known?.sequence ?? 0;
    try {
      const [sequence] = await this.#store.writeMany([{ key, value, expectedSequence }]);
      this.#marks.set(logUid, { first, sequence: sequence! });
    } catch (error) {
      // What became of the write is read before the next one.
      this.#loading = undefined;
      throw error;
    }
  }
}
