/** Identities that are never used again, unlike ids and names. */
import { randomInt } from "node:crypto";

const letters = "abcdefghijklmnopqrstuvwxyz";
const characters = `${letters}0123456789`;

/** Gives a whole number from 0 to below `end`. */
export type RandomBelow = (end: number) => number;

/**
 * A new uid: 20 characters `[a-z0-9]`, the first a letter, so that it may stand in subjects, table and
 * file names. 103 bits of randomness.
 */
export function makeUid(randomBelow: RandomBelow = randomInt): string {
  let uid = letters[randomBelow(letters.length)]!;
  while (uid.length < 20) uid += characters[randomBelow(characters.length)]!;
  return uid;
}
