/** What happened, said to those who hear the page. */
import { useSyncExternalStore } from "react";

let said = "";
const listeners = new Set<() => void>();

/** Has a sentence read out when what is being read has ended. */
export function announce(text: string): void {
  // The same sentence twice is no change, and would not be read again.
  said = text === said ? `${text}\u00a0` : text;
  for (const listener of listeners) listener();
}

/** Where the sentences stand, unseen. One in the page. */
export function Announcer() {
  return (
    <div className="unseen" aria-live="polite" data-announcer>
      {useSyncExternalStore(subscribe, () => said)}
    </div>
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
