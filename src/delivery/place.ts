/** Places and ranges of places: what a cursor is made of. */
import type { Place } from "../sinks/sink.ts";

/** All records of a partition from one place to another, both included. */
export interface PlaceRange {
  readonly from: Place;
  readonly to: Place;
}

/** Below 0 when `a` stands before `b`, 0 for the same place. */
export function comparePlaces(a: Place, b: Place): number {
  return a.sequence - b.sequence || a.index - b.index;
}

/** The first place after this one, whether a record stands there or not. */
export function placeAfter(place: Place): Place {
  return { sequence: place.sequence, index: place.index + 1 };
}

/** The later of two places. */
export function laterPlace(a: Place, b: Place): Place {
  return comparePlaces(a, b) >= 0 ? a : b;
}

/** Whether a place stands in one of the ranges, which ascend. */
export function isWithin(ranges: readonly PlaceRange[], place: Place): boolean {
  for (const range of ranges) {
    if (comparePlaces(place, range.from) < 0) return false;
    if (comparePlaces(place, range.to) <= 0) return true;
  }
  return false;
}

/** What is left of ranges when everything up to and with a place is taken out. */
export function placesAfter(ranges: readonly PlaceRange[], place: Place): PlaceRange[] {
  return ranges.flatMap((range) => {
    if (comparePlaces(range.to, place) <= 0) return [];
    if (comparePlaces(range.from, place) > 0) return [range];
    return [{ from: placeAfter(place), to: range.to }];
  });
}

/** A place as the API writes it, `<sequence>-<index>`. */
export function formatPlace(place: Place): string {
  return `${place.sequence}-${place.index}`;
}

/** The place of `<sequence>-<index>`; undefined for any other text. */
export function parsePlace(text: string): Place | undefined {
  const match = /^([1-9]\d{0,15})-(0|[1-9]\d{0,6})$/.exec(text);
  if (!match) return undefined;
  const sequence = Number(match[1]);
  return Number.isSafeInteger(sequence) ? { sequence, index: Number(match[2]) } : undefined;
}
