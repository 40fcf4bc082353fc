/** While what expires is booked a sink reads and plans nothing; who asked it to read meanwhile is not forgotten. */

/** The pause of one run. */
export class ReadingPause {
  #isReadWanted: boolean | undefined;

  /** Whether nothing may be read or planned. */
  get isOn(): boolean {
    return this.#isReadWanted !== undefined;
  }

  /** Begins; `isReading` says that reading goes on afterwards in any case. */
  begin({ isReading }: { readonly isReading: boolean }): void {
    this.#isReadWanted = isReading;
  }

  /** Whether a wish to read must wait; if so it is remembered. */
  holdsBack(): boolean {
    if (!this.isOn) return false;
    this.#isReadWanted = true;
    return true;
  }

  /** Ends; gives whether reading is to go on. */
  end(): boolean {
    const isWanted = this.#isReadWanted ?? false;
    this.#isReadWanted = undefined;
    return isWanted;
  }
}
