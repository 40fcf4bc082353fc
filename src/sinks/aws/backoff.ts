import { setTimeout as delay } from "node:timers/promises";

const FIRST_MS = 50;
const LAST_MS = 2_000;
/** A service that asks for less is asked again this often within one attempt. */
export const TRIES_MAX = 6;

/** Waits before the try after `tries` ones; false when there is no further try. Rejects when `signal` ends. */
export async function backOff(
  tries: number,
  signal: AbortSignal,
  random: () => number = Math.random,
): Promise<boolean> {
  if (tries >= TRIES_MAX) return false;
  const longest = Math.min(FIRST_MS * 2 ** tries, LAST_MS);
  await delay(longest * (0.5 + random() / 2), undefined, { signal });
  return true;
}
