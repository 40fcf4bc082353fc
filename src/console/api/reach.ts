/** Whether the server answers. */
import { useSyncExternalStore } from "react";

let isReached = true;
const listeners = new Set<() => void>();

/** Notes the outcome of a call. */
export function reportReach(reached: boolean): void {
  if (reached === isReached) return;
  isReached = reached;
  for (const listener of listeners) listener();
}

/** Whether the last call got an answer. */
export function useReach(): boolean {
  return useSyncExternalStore(subscribe, () => isReached);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
