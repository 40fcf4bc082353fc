/** The lowest of many places that come and go, found again only when it has gone. */
import type { Place } from "../sinks/sink.ts";
import { comparePlaces } from "./place.ts";

/** A minimum over places that somebody else keeps. */
export class LowestPlace {
  readonly #all: () => Iterable<Place>;
  #place: Place | undefined;
  #isKnown = true;

  /** `all` gives every place as of now. */
  constructor(all: () => Iterable<Place>) {
    this.#all = all;
  }

  /** The lowest; undefined when there is none. */
  get place(): Place | undefined {
    if (!this.#isKnown) {
      this.#place = undefined;
      this.#isKnown = true;
      for (const place of this.#all()) this.add(place);
    }
    return this.#place;
  }

  /** A place has come. */
  add(place: Place): void {
    if (!this.#isKnown) return;
    if (!this.#place || comparePlaces(place, this.#place) < 0) this.#place = place;
  }

  /** A place has gone; others may be equal to it. */
  remove(place: Place): void {
    if (this.#place && comparePlaces(place, this.#place) === 0) this.#isKnown = false;
  }
}
